/**
 * Messages must not make more messages without end. A seed in which they do would not end either, and a
 * campaign would stand still without a word: the bound turns that into a finding.
 */
import type { SimulatedNetwork } from './network.js'
import { InvariantViolation } from './violation.js'

/** Ten times as much as any sound seed had on the way at once. */
const ON_THE_WAY_MAX = 10_000

export function checkTraffic({ onTheWay }: Pick<SimulatedNetwork, 'onTheWay'>): void {
  if (onTheWay <= ON_THE_WAY_MAX) return
  throw new InvariantViolation('messagesDoNotMultiply', `${onTheWay} messages are on their way between members at once`)
}
