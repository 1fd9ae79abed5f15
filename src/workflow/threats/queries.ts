/** Queries about the replicated threat state. They need no reads: what is live is in memory. */
import { toHex } from '../../base/bytes.js'
import { ArgumentReader, type QueryArguments } from '../query-args.js'
import { bytesOfBinaryString } from '../state-keys.js'
import type { ThreatTable } from './table.js'

/**
 * `{}` → `{ level: "none" | "critical", live: [{ id (hex), culprit, epoch, index }] }`: the evidence that was
 * ordered and that nobody cleared, oldest first. What members see alone is no replicated state.
 */
export function liveThreat(args: QueryArguments, threats: ThreatTable): unknown {
  new ArgumentReader(args).end()
  const live = threats.live.map(({ key, index, evidence: { culprit, epoch } }) => {
    return { id: toHex(bytesOfBinaryString(key, 1)), culprit, epoch, index }
  })
  return { level: live.length > 0 ? 'critical' : 'none', live }
}
