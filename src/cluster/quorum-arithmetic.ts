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

/**
 * `3 → 2 voters: a quorum is 2, no failure tolerated`, under Byzantine protocols `4 → 5 replicas: n = 5, f = 1,
 * q = 4, 1 failure or lie tolerated`; with the zones where there are several.
 */
export function arithmeticText(
  before: QuorumArithmetic,
  after: QuorumArithmetic,
  protocol: ProtocolName = 'raft',
): string {
  const from = before.voters.length
  const to = after.voters.length
  const count = from === to ? countText(to, protocol) : `${from} → ${countText(to, protocol)}`
  const failures = `${count}: ${quorumText(after, protocol)}, ${toleranceText(after.failuresTolerated, protocol)}`
  if (after.zones.length < 2) return failures
  const zones = after.zones.map(({ zone, voters, mayFail }) => `${zone} ${voters}${mayFail ? '' : ', must not fail'}`)
  return `${failures}; zones: ${zones.join('; ')}`
}

export function toleranceText(failures: number, protocol: ProtocolName = 'raft'): string {
  const [one, many] = protocol === 'raft' ? ['failure', 'failures'] : ['failure or lie', 'failures or lies']
  if (failures === 0) return `no ${one} tolerated`
  return failures === 1 ? `1 ${one} tolerated` : `${failures} ${many} tolerated`
}

function quorumText({ voters, quorum, failuresTolerated }: QuorumArithmetic, protocol: ProtocolName): string {
  if (protocol === 'raft') return `a quorum is ${quorum}`
  return `n = ${voters.length}, f = ${failuresTolerated}, q = ${quorum}`
}

function countText(voters: number, protocol: ProtocolName): string {
  const what = protocol === 'raft' ? 'voter' : 'replica'
  return voters === 1 ? `1 ${what}` : `${voters} ${what}s`
}
