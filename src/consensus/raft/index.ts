/** The public names of Raft for the rooms above: the core and what it is made from. */
export { DEFAULT_RAFT_LIMITS, type RaftLimits } from './config.js'
export { RaftCore } from './core.js'
