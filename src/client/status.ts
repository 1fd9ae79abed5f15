/**
 * Puts the members' own reports together into one picture of the cluster: the contract of
 * `knhk status --json`. Every field is there for all protocols; what does not apply is null.
 */
import { toHex } from '../base/bytes.js'
import type { KnhkError } from '../base/error.js'
import type { MemberConfiguration } from '../consensus/configuration.js'
import type { Mode } from '../consensus/types.js'
import type { ClusterStatus, NodeStatus } from './api.js'

/** What one member said about itself, or why it did not answer. */
export interface MemberReport {
  readonly member: MemberConfiguration
  readonly value: Readonly<Record<string, unknown>> | null
  readonly error: KnhkError | null
}

export function assembleStatus(protocol: Mode, reports: readonly MemberReport[]): ClusterStatus {
  const nodes = reports.map(({ member, value, error }) => nodeStatus(member, value, error))
  const leading = nodes.filter((node) => node.role === 'leader').sort((a, b) => (b.term ?? 0) - (a.term ?? 0))[0]
  const newest = [...nodes].filter((node) => node.reachable).sort((a, b) => (b.term ?? 0) - (a.term ?? 0))[0]
  const commitIndex = leading?.commitIndex ?? maximum(nodes.map((node) => node.commitIndex))
  const rtts = rttByPeer(reports.find((report) => report.member.id === leading?.id)?.value ?? null)
  return {
    protocol,
    mode: leading?.mode ?? newest?.mode ?? protocol,
    epoch: newest?.epoch ?? 0,
    threat: null,
    leader: leading?.id ?? null,
    term: leading?.term ?? newest?.term ?? null,
    view: leading?.view ?? null,
    round: leading?.round ?? null,
    commitIndex,
    nodes: nodes.map((node) => ({
      ...node,
      rttMs: rtts.get(node.id) ?? null,
      lagEntries:
        node.appliedIndex === null || commitIndex === null ? null : Math.max(0, commitIndex - node.appliedIndex),
    })),
  }
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

function maximum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : Math.max(...known)
}
