/** Flags of `knhk sim`. */
import * as Flags from '@oclif/core/flags'
import { SIM_PROTOCOLS } from '../simulator/plan.js'
import { parseCount } from './flags.js'

export const NODES_MAX = 31
/** Members that lie; a third of a larger cluster would be more. */
export const BYZANTINE_MAX = 10

/** What simulated clusters run. */
export function protocolFlag(summary: string) {
  return Flags.option({ options: SIM_PROTOCOLS })({ summary, default: 'raft' })
}

/** Cluster sizes, comma-separated. Throws `InvalidArgument`. */
export function nodesFlag(summary: string) {
  return Flags.custom<readonly number[]>({
    summary,
    helpValue: 'N[,N…]',
    default: [3],
    defaultHelp: async () => '3',
    parse: async (text) => text.split(',').map((one) => parseCount(one.trim(), 1, NODES_MAX)),
  })()
}
