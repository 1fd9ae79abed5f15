/**
 * Messages that a story sends in the name of a node: from a node that is played by hand, or in the
 * place of one. Fields that are not given are what an empty node would say.
 */
import type { ProtocolMessage } from '../../consensus/core.js'
import type { Entry } from '../../consensus/entry.js'
import { epoch, logIndex, term } from '../../consensus/types.js'
import { type Field, need } from './field.js'
import { offerAt, readLog } from './setup.js'
import type { InFlight } from './wire.js'
import type { World } from './world.js'

const KEYS = [
  'from',
  'to',
  'message',
  'term',
  'last',
  'granted',
  'transfer',
  'log',
  'after',
  'until',
  'commit',
  'success',
  'match',
  'previous',
  'hint',
  'position',
  'at',
] as const

const KINDS = [
  'preVote',
  'preVoteReply',
  'requestVote',
  'requestVoteReply',
  'appendEntries',
  'appendEntriesReply',
  'heartbeat',
  'heartbeatReply',
  'timeoutNow',
  'installSnapshot',
  'installSnapshotReply',
] as const

type Given = ReadonlyMap<string, Field>

/** Puts the message on its way. */
export function sendByHand(world: World, field: Field): void {
  const given = field.record(KEYS)
  const from = world.node(need(given, 'from', field).text())
  const to = world.node(need(given, 'to', field).text())
  const kind = need(given, 'message', field).oneOf(KINDS)
  world.transmit(from.id, to.id, make(world, kind, given, field, to.id))
}

function make(world: World, kind: (typeof KINDS)[number], given: Given, field: Field, to: string): ProtocolMessage {
  const number = (key: string) => given.get(key)?.integer() ?? 0
  const common = { epoch: epoch(0), term: term(need(given, 'term', field).integer()) }
  const [lastIndex, lastTerm] = pair(given.get('last'))
  const last = { lastIndex: logIndex(lastIndex), lastEpoch: epoch(0), lastTerm: term(lastTerm) }
  const granted = given.get('granted')?.boolean() ?? false
  const readPosition = number('position')
  const wallMs = world.node(to).now().wallMs
  const matchIndex = logIndex(number('match'))
  switch (kind) {
    case 'preVote':
      return { ...common, ...last, type: kind, round: 1 }
    case 'preVoteReply':
      return { ...common, type: kind, round: askedRound(world, to), granted, wallMs }
    case 'requestVote':
      return { ...common, ...last, type: kind, transfer: given.get('transfer')?.boolean() ?? false }
    case 'requestVoteReply':
      return { ...common, type: kind, granted, wallMs }
    case 'appendEntries':
      return { ...common, type: kind, ...piece(world, given), commitIndex: logIndex(number('commit')), readPosition }
    case 'appendEntriesReply': {
      const [hintIndex, hintTerm] = pair(given.get('hint'))
      const hint = { hintIndex: logIndex(hintIndex), hintEpoch: epoch(0), hintTerm: term(hintTerm) }
      const success = given.get('success')?.boolean() ?? true
      const prevIndex = logIndex(number('previous'))
      return { ...common, ...hint, type: kind, success, prevIndex, matchIndex, readPosition, wallMs }
    }
    case 'heartbeat': {
      const commitIndex = logIndex(number('commit'))
      const indexes = { commitIndex, acknowledgedIndex: commitIndex, lastIndex: last.lastIndex }
      return { ...common, type: kind, ...indexes, readPosition, commitChain: null }
    }
    case 'heartbeatReply':
      return { ...common, type: kind, readPosition, wallMs, digestIndex: logIndex(0), stateDigest: null }
    case 'timeoutNow':
      return { ...common, type: kind }
    case 'installSnapshot':
      return { ...common, type: kind, snapshot: offerAt(logOf(world, given), number('at')) }
    case 'installSnapshotReply':
      return { ...common, type: kind, matchIndex, wallMs }
  }
}

/** The entries after `after`, up to `until` or the end. */
function piece(world: World, given: Given) {
  const log = logOf(world, given)
  const after = given.get('after')?.integer(0, log.length) ?? 0
  const until = given.get('until')?.integer(after, log.length) ?? log.length
  return {
    prevIndex: logIndex(after),
    prevEpoch: epoch(0),
    prevTerm: term(log[after - 1]?.term ?? 0),
    entries: log.slice(after, until),
  }
}

/** Written down as terms, or the log that a node has now. */
function logOf(world: World, given: Given): readonly Entry[] {
  const field = given.get('log')
  if (field === undefined) return []
  return field.isList ? readLog(field) : world.node(field.text()).view.entries
}

function pair(field: Field | undefined): readonly [number, number] {
  if (field === undefined) return [0, 0]
  const [index, entryTerm] = field.items()
  return [index?.integer() ?? 0, entryTerm?.integer() ?? 0]
}

/** The PreVote round that the candidate asked about last. */
function askedRound(world: World, candidate: string): number {
  const asked = world.messages.findLast(
    ({ from, message }: InFlight) => from === candidate && message.type === 'preVote',
  )
  return asked?.message.type === 'preVote' ? asked.message.round : 0
}
