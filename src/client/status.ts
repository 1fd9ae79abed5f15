/**
 * Puts the members' own reports together into one picture of the cluster: the contract of
 * `knhk status --json`. Every field is there for all protocols; what does not apply is null. In a Byzantine
 * cluster the picture is what f + 1 members vouch for: no position, epoch or leader rests on one member.
 */
import { toHex } from '../base/bytes.js'
import type { KnhkError } from '../base/error.js'
import type { MemberConfiguration } from '../consensus/configuration.js'
import { THREAT_LEVELS, type ThreatLevel } from '../consensus/hybrid/threat-model.js'
import type { Assurance, Mode, ProtocolName } from '../consensus/types.js'
import type { ClusterStatus, NodeStatus } from './api.js'

/** What one member said about itself, or why it did not answer. */
export interface MemberReport {
  readonly member: MemberConfiguration
  readonly value: Readonly<Record<string, unknown>> | null
  readonly error: KnhkError | null
}

/** What is said of the cluster as a whole. */
type Head = Pick<ClusterStatus, 'mode' | 'epoch' | 'leader' | 'term' | 'view' | 'round' | 'commitIndex' | 'assurance'>

/** `needed` members have to say the same before it counts: one in plain Raft. */
export function assembleStatus(
  protocol: ProtocolName,
  reports: readonly MemberReport[],
  needed: number,
): ClusterStatus {
  const nodes = reports.map(({ member, value, error }) => nodeStatus(member, value, error))
  const head = protocol === 'raft' ? raftHead(nodes) : byzantineHead(nodes, needed)
  const { commitIndex, leader } = head
  const rtts = rttByPeer(reports.find((report) => report.member.id === leader)?.value ?? null)
  return {
    protocol,
    threat: threatOf(nodes, needed),
    ...head,
    nodes: nodes.map((node) => ({
      ...node,
      rttMs: rtts.get(node.id) ?? null,
      lagEntries:
        node.appliedIndex === null || commitIndex === null ? null : Math.max(0, commitIndex - node.appliedIndex),
    })),
  }
}

/** The level that so many members reach; null where nobody has a threat model. */
function threatOf(nodes: readonly NodeStatus[], needed: number): string | null {
  const levels = nodes.flatMap(({ threat }) =>
    threat === null ? [] : [THREAT_LEVELS.indexOf(threat.level as ThreatLevel)],
  )
  if (levels.length === 0) return null
  return THREAT_LEVELS[levels.sort((a, b) => b - a)[needed - 1] ?? 0] as string
}

function raftHead(nodes: readonly NodeStatus[]): Head {
  const leading = nodes.filter((node) => node.role === 'leader').sort((a, b) => (b.term ?? 0) - (a.term ?? 0))[0]
  const newest = [...nodes].filter((node) => node.reachable).sort((a, b) => (b.term ?? 0) - (a.term ?? 0))[0]
  return {
    mode: 'raft',
    epoch: newest?.epoch ?? 0,
    leader: leading?.id ?? null,
    term: leading?.term ?? newest?.term ?? null,
    view: null,
    round: null,
    commitIndex: leading?.commitIndex ?? vouched(nodes, 'commitIndex', 1),
    assurance: leading?.assurance ?? newest?.assurance ?? null,
  }
}

function byzantineHead(nodes: readonly NodeStatus[], needed: number): Head {
  const epoch = vouched(nodes, 'epoch', needed) ?? 0
  const current = nodes.filter((node) => node.epoch === epoch && node.mode !== null)
  const mode =
    agreed(
      current.map((node) => node.mode as Mode),
      needed,
    ) ??
    current[0]?.mode ??
    'pbft'
  const leads = agreed(
    current.flatMap((node) => node.leader ?? []),
    needed,
  )
  return {
    mode,
    epoch,
    leader: leads ?? (mode === 'hotstuff' ? leaderOfRound(current, needed) : null),
    term: mode === 'raft' ? vouched(current, 'term', needed) : null,
    view: vouched(current, 'view', needed),
    round: vouched(current, 'round', needed),
    commitIndex: vouched(nodes, 'commitIndex', needed),
    assurance: agreed(
      current.flatMap((node) => node.assurance ?? []),
      needed,
    ),
  }
}

/** Rounds pass, and their leaders with them, while the members are asked one after the other: that of a round which `needed` members have reached. */
function leaderOfRound(nodes: readonly NodeStatus[], needed: number): string | null {
  const led = nodes.filter((node) => node.leader !== null)
  const round = vouched(led, 'round', needed)
  return led.find((node) => node.round === round)?.leader ?? null
}

/** The highest number that so many members have reached; null where too few tell. */
function vouched(
  nodes: readonly NodeStatus[],
  name: 'epoch' | 'term' | 'view' | 'round' | 'commitIndex',
  needed: number,
): number | null {
  const known = nodes.flatMap((node) => node[name] ?? []).sort((a, b) => b - a)
  return known[needed - 1] ?? null
}

/** What most say, and at least `needed`. */
function agreed<T extends string>(said: readonly T[], needed: number): T | null {
  const counts = new Map<T, number>()
  for (const one of said) counts.set(one, (counts.get(one) ?? 0) + 1)
  const [most] = [...counts].sort((a, b) => b[1] - a[1])
  return most !== undefined && most[1] >= needed ? most[0] : null
}

function nodeStatus(member: MemberConfiguration, value: MemberReport['value'], error: KnhkError | null): NodeStatus {
  const fields = value ?? {}
  const number = (name: string) => (typeof fields[name] === 'number' ? (fields[name] as number) : null)
  const text = (name: string) => (typeof fields[name] === 'string' ? (fields[name] as string) : null)
  const digest = (name: string) => (fields[name] instanceof Uint8Array ? toHex(fields[name] as Uint8Array) : null)
  return {
    id: member.id,
    address: member.address,
    zone: member.zone,
    reachable: value !== null,
    role: text('role'),
    mode: text('mode') as Mode | null,
    assurance: text('assurance') as Assurance | null,
    epoch: number('epoch'),
    term: number('term'),
    view: number('view'),
    round: number('round'),
    leader: text('leader'),
    firstIndex: number('firstIndex'),
    lastIndex: number('lastIndex'),
    commitIndex: number('commitIndex'),
    appliedIndex: number('appliedIndex'),
    stateDigest: digest('stateDigest'),
    dataDigest: digest('dataDigest'),
    digestIndex: number('digestIndex'),
    lagEntries: null,
    rttMs: null,
    version: text('version'),
    http: text('http'),
    epochSinceMs: number('epochSinceMs'),
    residencyMs: number('residencyMs'),
    disk: (fields.disk ?? null) as NodeStatus['disk'],
    stays: (fields.stays ?? null) as NodeStatus['stays'],
    threat: (fields.threat ?? null) as NodeStatus['threat'],
    error: error === null ? null : { code: error.code, message: error.message, details: error.details },
  }
}

function rttByPeer(value: MemberReport['value']): Map<string, number | null> {
  const peers = value?.peers
  const rtts = new Map<string, number | null>()
  if (!Array.isArray(peers)) return rtts
  for (const peer of peers as { id: string; rttMs: number | null }[]) rtts.set(peer.id, peer.rttMs)
  return rtts
}
