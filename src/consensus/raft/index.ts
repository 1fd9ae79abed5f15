/** The public names of Raft for the rooms above: the core, what it is made from, and its messages. */
export { DEFAULT_RAFT_LIMITS, type RaftLimits, type RaftMember, type RaftModules, type RaftOptions } from './config.js'
export { RaftCore } from './core.js'
export type { RaftMessage } from './messages.js'
