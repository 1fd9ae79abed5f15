/**
 * What a set of voters can bear, in numbers and in words, for everything that shows a change of members
 * before it is made: how many have to agree, how many may fail, and whether a whole zone may.
 */
import { byzantineFaults, byzantineQuorum, majority } from '../consensus/quorum.js'
import type { ProtocolName } from '../consensus/types.js'

export interface Voter {
  readonly id: string
  readonly zone: string
}

export interface ZoneArithmetic {
  readonly zone: string
  readonly voters: number
  /** The others are a quorum without this zone. */
  readonly mayFail: boolean
}

export interface QuorumArithmetic {
  readonly voters: readonly string[]
  readonly quorum: number
  readonly failuresTolerated: number
  readonly zones: readonly ZoneArithmetic[]
}

/** `voters` is not empty. Failures under a Byzantine protocol include lies. */
export function quorumArithmetic(voters: readonly Voter[], protocol: ProtocolName = 'raft'): QuorumArithmetic {
  const isRaft = protocol === 'raft'
  const quorum = isRaft ? majority(voters.length) : byzantineQuorum(voters.length)
  const zones = [...new Set(voters.map(({ zone }) => zone))].sort()
  return {
    voters: voters.map(({ id }) => id),
    quorum,
    failuresTolerated: isRaft ? voters.length - quorum : byzantineFaults(voters.length),
    zones: zones.map((zone) => {
      const inside = voters.filter((voter) => voter.zone === zone).length
      return { zone, voters: inside, mayFail: voters.length - inside >= quorum }
    }),
  }
}

/** `3 → 2 voters: a quorum is 2, no failure tolerated`; with the zones where there are several. */
export function arithmeticText(before: QuorumArithmetic, after: QuorumArithmetic): string {
  const from = before.voters.length
  const to = after.voters.length
  const count = from === to ? countText(to) : `${from} → ${countText(to)}`
  const failures = `${count}: a quorum is ${after.quorum}, ${toleranceText(after.failuresTolerated)}`
  if (after.zones.length < 2) return failures
  const zones = after.zones.map(({ zone, voters, mayFail }) => `${zone} ${voters}${mayFail ? '' : ', must not fail'}`)
  return `${failures}; zones: ${zones.join('; ')}`
}

export function toleranceText(failures: number): string {
  if (failures === 0) return 'no failure tolerated'
  return failures === 1 ? '1 failure tolerated' : `${failures} failures tolerated`
}

function countText(voters: number): string {
  return voters === 1 ? '1 voter' : `${voters} voters`
}
