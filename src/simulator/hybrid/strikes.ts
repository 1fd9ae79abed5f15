/** What can go wrong where a hybrid changes its protocol, beside the faults and the lies of every run. */

export const SWITCH_STRIKES = [
  /** An operator orders a Byzantine protocol: from all members, from a few, or different ones from different members. */
  'orderByzantine',
  /** An operator orders Raft, whether it is safe or not, from all members. */
  'orderRaft',
  /** An administrator clears what is held against members. */
  'clearThreat',
  /** A node ends at a step of the next switch. */
  'crashInSwitch',
  /** All nodes lose power at a step of the next switch. */
  'powerCutInSwitch',
  /** Two groups cannot talk from a step of the next switch on. */
  'partitionInSwitch',
] as const

export type SwitchStrike = (typeof SWITCH_STRIKES)[number]

export function isSwitchStrike(strike: string): strike is SwitchStrike {
  return SWITCH_STRIKES.some((one) => one === strike)
}

/** Where a node is on its way out of an epoch: S0 to S4 of docs/consensus/hybrid.md. */
export const SWITCH_STEPS = ['panic', 'abort', 'propose', 'vote', 'decide', 'enter'] as const
export type SwitchStep = (typeof SWITCH_STEPS)[number]
