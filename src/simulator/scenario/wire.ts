/**
 * Messages on their way, and the patterns by which a story speaks of them: `all`, `n1 -> n2`,
 * `any -> n3 requestVote`, `n1 -> n2 appendEntries first 1`, `#7`.
 */
import type { ProtocolMessage } from '../../consensus/core.js'
import type { SnapshotOffer } from '../../consensus/snapshot.js'
import type { NodeId } from '../../consensus/types.js'
import type { Field } from './field.js'

/** The bytes of a snapshot on their own connection: one transfer as a whole. */
export interface SnapshotFile {
  readonly type: 'snapshotFile'
  readonly snapshot: SnapshotOffer
}

export interface InFlight {
  /** Grows in the order of sending; the prompt and patterns such as `#7` name it. */
  readonly id: number
  readonly from: NodeId
  readonly to: NodeId
  readonly message: ProtocolMessage | SnapshotFile
}

export type MessageType = InFlight['message']['type']

export const MESSAGE_TYPES: readonly MessageType[] = [
  'preVote',
  'preVoteReply',
  'requestVote',
  'requestVoteReply',
  'appendEntries',
  'appendEntriesReply',
  'heartbeat',
  'heartbeatReply',
  'readIndexRequest',
  'readIndexReply',
  'timeoutNow',
  'installSnapshot',
  'installSnapshotReply',
  'diverged',
  'snapshotFile',
]

export interface Pattern {
  readonly text: string
  readonly id: number | null
  /** Null for any. */
  readonly from: string | null
  readonly to: string | null
  readonly type: MessageType | null
  readonly limit: { readonly from: 'first' | 'last'; readonly count: number } | null
}

const PATTERN = /^(\S+)\s*->\s*(\S+)(?:\s+([a-zA-Z]+))??(?:\s+(first|last)\s+(\d+))?$/

/** Reads a pattern; `isNode` says which names exist. */
export function readPattern(field: Field, isNode: (name: string) => boolean): Pattern {
  const text = field.text().trim()
  const anything = { text, id: null, from: null, to: null, type: null, limit: null }
  if (text === 'all') return anything
  if (/^#\d+$/.test(text)) return { ...anything, id: Number(text.slice(1)) }
  const [, from = '', to = '', typeName, end, count] = PATTERN.exec(text) ?? []
  if (from === '')
    return field.fail('has to be `all`, `#NUMBER`, or `NODE -> NODE [TYPE] [first N]`, with `any` for every node')
  for (const name of [from, to]) if (name !== 'any' && !isNode(name)) field.fail(`names an unknown node ${name}`)
  const type = typeName === undefined ? null : MESSAGE_TYPES.find((one) => one === typeName)
  if (type === undefined) return field.fail(`names an unknown message; known are ${MESSAGE_TYPES.join(', ')}`)
  return {
    ...anything,
    from: from === 'any' ? null : from,
    to: to === 'any' ? null : to,
    type,
    limit: end === 'first' || end === 'last' ? { from: end, count: Number(count) } : null,
  }
}

export function matches(pattern: Pattern, { id, from, to, message }: InFlight): boolean {
  if (pattern.id !== null) return pattern.id === id
  return (
    (pattern.from === null || pattern.from === from) &&
    (pattern.to === null || pattern.to === to) &&
    (pattern.type === null || pattern.type === message.type)
  )
}

/** Those that the pattern means, in the order of sending. */
export function select(pattern: Pattern, messages: readonly InFlight[]): InFlight[] {
  const found = messages.filter((message) => matches(pattern, message))
  if (pattern.limit === null) return found
  return pattern.limit.from === 'first' ? found.slice(0, pattern.limit.count) : found.slice(-pattern.limit.count)
}

/** One line for people: number, ends, type and the fields that tell messages apart. */
export function describeMessage({ id, from, to, message }: InFlight): string {
  const facts = Object.entries(message).flatMap(([key, value]) => {
    if (['type', 'epoch', 'wallMs', 'round', 'readId'].includes(key) || key.endsWith('Epoch')) return []
    if (key === 'entries') return [`entries [${(value as { term: number }[]).map((entry) => entry.term).join(' ')}]`]
    if (key === 'snapshot') return [`snapshot ${(value as SnapshotOffer).base.index}`]
    return typeof value === 'number' || typeof value === 'boolean' ? [`${key} ${value}`] : []
  })
  return `#${id} ${from} -> ${to} ${message.type}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}`
}
