/** Flags of the commands that make a new cluster from the state of another one. */
import * as Flags from '@oclif/core/flags'
import { countFlagWithDefault } from './flags.js'

const DEFAULT_NODES = 3

export const newClusterFlags = {
  dir: Flags.string({
    summary: 'Directory of the new cluster; it does not exist yet or is empty.',
    required: true,
    helpValue: 'DIR',
  }),
  nodes: countFlagWithDefault('Members of the new cluster, on this machine.', 1, 31, DEFAULT_NODES),
  protocol: Flags.option({ options: ['raft', 'pbft', 'hotstuff', 'hybrid'] as const })({
    summary: 'What decides in the new cluster.',
    default: 'raft',
  }),
  yes: Flags.boolean({ summary: 'Do not ask.' }),
  'dry-run': Flags.boolean({ summary: 'Show what would be made, and make nothing.' }),
}
