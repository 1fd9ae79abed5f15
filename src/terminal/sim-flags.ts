/** Flags of `knhk sim`. */
import * as Flags from '@oclif/core/flags'
import { parseCount } from './flags.js'

const NODES_MAX = 9

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
