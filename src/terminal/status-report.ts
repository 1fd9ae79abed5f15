/**
 * `status`: the documented JSON of a cluster, one set of rows for every protocol, and its table.
 */
import { KnhkError } from '../base/error.js'
import type { ClusterStatus, NodeStatus } from '../client/api.js'
import type { Output } from './printer.js'
import * as schema from './schema.js'
import { TURNS } from './turn.js'

/** The contract's fields of a node, in its order. */
const NODE_FIELDS = [
  'id',
  'role',
  'reachable',
  'epoch',
  'term',
  'view',
  'round',
  'lastIndex',
  'commitIndex',
  'appliedIndex',
  'stateDigest',
  'dataDigest',
  'digestIndex',
  'lagEntries',
  'rttMs',
  'zone',
  'version',
  'http',
] as const satisfies readonly (keyof NodeStatus)[]

const maybeText = schema.nullable(schema.text)
const maybeInteger = schema.nullable(schema.integer)

const NODE_SCHEMA = schema.record({
  id: schema.text,
  role: maybeText,
  reachable: schema.flag,
  epoch: maybeInteger,
  term: maybeInteger,
  view: maybeInteger,
  round: maybeInteger,
  lastIndex: maybeInteger,
  commitIndex: maybeInteger,
  appliedIndex: maybeInteger,
  stateDigest: maybeText,
  dataDigest: maybeText,
  digestIndex: maybeInteger,
  lagEntries: maybeInteger,
  rttMs: maybeInteger,
  zone: schema.text,
  version: maybeText,
  http: maybeText,
})

/** The properties of `status --json`. */
export const STATUS_FIELDS = {
  protocol: schema.text,
  mode: schema.text,
  epoch: schema.integer,
  threat: maybeText,
  assurance: maybeText,
  leader: maybeText,
  term: maybeInteger,
  view: maybeInteger,
  round: maybeInteger,
  commitIndex: maybeInteger,
  nodes: schema.list(NODE_SCHEMA),
}

export const STATUS_SCHEMA = schema.record(STATUS_FIELDS)
export const CLUSTER_STATUS_SCHEMA = schema.record({
  clusterId: schema.text,
  clusterFile: schema.text,
  ...STATUS_FIELDS,
})

/** Throws when no member answered: `Unreachable`, or why they all refused. */
export function requireReachable(status: ClusterStatus): void {
  if (status.nodes.some((node) => node.reachable)) return
  const errors = status.nodes.flatMap((node) => (node.error === null ? [] : [node.error]))
  const telling = errors.find((error) => error.code !== 'Unreachable' && error.code !== 'DeadlineExceeded')
  if (telling !== undefined) throw new KnhkError(telling.code, telling.message, { details: telling.details })
  const tried = status.nodes.map((node) => `${node.id} (${node.address})`).join(', ')
  throw new KnhkError('Unreachable', `no member answered: ${tried}`, { details: { members: status.nodes.length } })
}

export function statusJson(status: ClusterStatus): Record<string, unknown> {
  const { protocol, mode, epoch, threat, assurance, leader, term, view, round, commitIndex } = status
  const nodes = status.nodes.map(nodeJson)
  return { protocol, mode, epoch, threat, assurance, leader, term, view, round, commitIndex, nodes }
}

/** Times in JSON are whole milliseconds: a round trip counts from 1. */
function nodeJson(node: NodeStatus): Record<string, unknown> {
  const fields = Object.fromEntries(NODE_FIELDS.map((field) => [field, node[field]]))
  return { ...fields, rttMs: node.rttMs === null ? null : Math.ceil(node.rttMs) }
}

/** `extra` comes first in the JSON and in the text. */
export function statusOutput(status: ClusterStatus, extra: Readonly<Record<string, string>> = {}): Output {
  return {
    value: { ...extra, ...statusJson(status) },
    items: status.nodes.map(nodeJson),
    ids: status.nodes.map((node) => node.id),
    text: async ({ table, fields }) => {
      const turn = TURNS[status.mode]
      const head = fields([
        ...Object.entries(extra),
        ['protocol', status.mode === status.protocol ? status.protocol : `${status.protocol}, now ${status.mode}`],
        [status.mode === 'pbft' ? 'primary' : 'leader', status.leader ?? 'none'],
        ...(status.protocol === 'raft' ? [] : ([['epoch', status.epoch]] as const)),
        [turn, status[turn]],
        ...(status.threat === null ? [] : ([['threat', threatText(status)]] as const)),
        ...(status.protocol === 'raft' ? [] : ([['assurance', status.assurance]] as const)),
        ['commit', status.commitIndex],
        ...fullDiskText(status),
      ])
      const rows = status.nodes.map((node) => [
        node.id,
        node.reachable ? node.role : `down: ${node.error?.code ?? 'unknown'}`,
        node[turn],
        node.lastIndex,
        node.commitIndex,
        node.appliedIndex,
        node.lagEntries,
        node.rttMs === null ? null : node.rttMs.toFixed(1),
        digestText(node),
        node.zone,
        node.address,
      ])
      const names = [
        'node',
        'role',
        turn,
        'last',
        'commit',
        'applied',
        'lag',
        'rtt ms',
        'state digest',
        'zone',
        'address',
      ]
      return `${head}\n${await table(names, rows)}`
    },
  }
}

/** Only where there is something to say. */
function fullDiskText({ nodes }: ClusterStatus): (readonly [string, string])[] {
  const full = nodes.filter(({ disk }) => disk?.isFull === true).map(({ id }) => id)
  return full.length === 0 ? [] : [['disk full', `${full.join(', ')}: no proposals are accepted, see knhk why`]]
}

/** The level, and whom it is because of. */
function threatText({ threat, nodes }: ClusterStatus): string {
  const reports = nodes.flatMap((node) => node.threat?.nodes ?? [])
  const against = [...new Set(reports.map(({ id }) => id))]
  return against.length === 0 ? `${threat}` : `${threat} (held against ${against.join(', ')})`
}

function digestText(node: NodeStatus): string | null {
  return node.stateDigest === null ? null : `${node.stateDigest.slice(0, 12)} @${node.digestIndex}`
}
