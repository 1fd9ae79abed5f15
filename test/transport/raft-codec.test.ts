/**
 * Shows that every message survives the wire unchanged, and that the decoder is strict: whatever
 * bytes it accepts, it would have written exactly so itself.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { concatBytes, writeU32 } from '../../src/base/bytes.js'
import { KnhkError } from '../../src/base/error.js'
import type { ProtocolMessage } from '../../src/consensus/core.js'
import { type Entry, type EntryKind, makeEntry } from '../../src/consensus/entry.js'
import { type Membership, membershipProblem } from '../../src/consensus/membership.js'
import { epoch, logIndex, nodeId, readId, term } from '../../src/consensus/types.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { decodeMessage, encodeMessage } from '../../src/transport/message-codec.js'
import { RAFT_FRAME } from '../../src/transport/raft-codec.js'

const u64 = fc.maxSafeNat()
const u32 = fc.nat({ max: 0xffff_ffff })
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
const common = { epoch: u32.map(epoch), term: u64.map(term) }
const last = { lastIndex: u64.map(logIndex), lastEpoch: u32.map(epoch), lastTerm: u64.map(term) }

const entry: fc.Arbitrary<Entry> = fc
  .record({
    epoch: u32.map(epoch),
    term: u64.map(term),
    index: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map(logIndex),
    timestampMs: u64,
    kind: fc.constantFrom<EntryKind>('data', 'membership', 'mode', 'evidence', 'empty'),
    clusterId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    configHash: hash,
    batchDigest: hash,
    previousChain: hash,
    body: fc.uint8Array({ maxLength: 300 }),
  })
  .map(({ body, ...fields }) => makeEntry(sha256, fields, body))

const member = fc.record({
  id: fc.stringMatching(/^[a-z0-9-]{1,12}$/).map(nodeId),
  publicKey: hash,
  address: fc.string({ maxLength: 30 }),
  zone: fc.string({ maxLength: 10 }),
  role: fc.constantFrom('voter' as const, 'learner' as const, 'leaving' as const),
  wasVoter: fc.boolean(),
  promote: fc.boolean(),
})
/** Sound configurations, plain and joint. */
const membership: fc.Arbitrary<Membership> = fc
  .record({ joint: fc.boolean(), members: fc.array(member, { minLength: 1, maxLength: 4 }) })
  .map(({ joint, members }) => ({
    joint,
    members: members.map((one, i) => {
      const role = i === 0 || (one.role === 'leaving' && !joint) ? ('voter' as const) : one.role
      const wasVoter = joint && (i === 0 || one.wasVoter)
      return { ...one, id: nodeId(`${one.id}${i}`), role, wasVoter, promote: role === 'learner' && one.promote }
    }),
  }))
const base = fc.record({
  index: u64.map(logIndex),
  ...common,
  chain: hash,
  timestampMs: u64,
  membership: fc.option(fc.record({ index: u64.map(logIndex), membership })),
})

const message: fc.Arbitrary<ProtocolMessage> = fc.oneof(
  fc.record({ type: fc.constant('preVote' as const), ...common, round: u64, ...last }),
  fc.record({ type: fc.constant('preVoteReply' as const), ...common, round: u64, granted: fc.boolean(), wallMs: u64 }),
  fc.record({ type: fc.constant('requestVote' as const), ...common, ...last, transfer: fc.boolean() }),
  fc.record({ type: fc.constant('requestVoteReply' as const), ...common, granted: fc.boolean(), wallMs: u64 }),
  fc.record({
    type: fc.constant('appendEntries' as const),
    ...common,
    prevIndex: u64.map(logIndex),
    prevEpoch: u32.map(epoch),
    prevTerm: u64.map(term),
    entries: fc.array(entry, { maxLength: 4 }),
    commitIndex: u64.map(logIndex),
    readPosition: u64,
  }),
  fc.record({
    type: fc.constant('appendEntriesReply' as const),
    ...common,
    success: fc.boolean(),
    prevIndex: u64.map(logIndex),
    matchIndex: u64.map(logIndex),
    hintIndex: u64.map(logIndex),
    hintEpoch: u32.map(epoch),
    hintTerm: u64.map(term),
    readPosition: u64,
    wallMs: u64,
  }),
  fc.record({
    type: fc.constant('heartbeat' as const),
    ...common,
    commitIndex: u64.map(logIndex),
    acknowledgedIndex: u64.map(logIndex),
    lastIndex: u64.map(logIndex),
    readPosition: u64,
    commitChain: fc.option(hash),
  }),
  fc.record({
    type: fc.constant('heartbeatReply' as const),
    ...common,
    readPosition: u64,
    wallMs: u64,
    digestIndex: u64.map(logIndex),
    stateDigest: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 })),
  }),
  fc.record({
    type: fc.constant('membershipHint' as const),
    ...common,
    record: fc.record({ index: u64.map(logIndex), membership }),
  }),
  fc.record({
    type: fc.constant('diverged' as const),
    ...common,
    index: u64.map(logIndex),
    stateDigest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    agreedIndex: u64.map(logIndex),
  }),
  fc.record({ type: fc.constant('readIndexRequest' as const), ...common, readId: u64.map(readId) }),
  fc.record({
    type: fc.constant('readIndexReply' as const),
    ...common,
    readId: u64.map(readId),
    index: u64.map(logIndex),
  }),
  fc.record({ type: fc.constant('timeoutNow' as const), ...common }),
  fc.record({
    type: fc.constant('installSnapshot' as const),
    ...common,
    snapshot: fc.record({ base, id: hash, bytes: u64 }),
  }),
  fc.record({
    type: fc.constant('installSnapshotReply' as const),
    ...common,
    matchIndex: u64.map(logIndex),
    wallMs: u64,
  }),
)

function wire(value: ProtocolMessage): { type: number; payload: Uint8Array } {
  const { type, parts } = encodeMessage(value)
  return { type, payload: concatBytes(parts) }
}

/** The message, or null where the decoder refuses. Anything but a typed refusal is a defect. */
function decodeOrNull(type: number, payload: Uint8Array): ProtocolMessage | null {
  try {
    return decodeMessage(type, payload)
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return null
    throw error
  }
}

test('every message comes back as it was', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(message, (value) => {
      seen.add(value.type)
      const { type, payload } = wire(value)
      expect(decodeMessage(type, payload)).toEqual(value)
    }),
    { numRuns: 600 },
  )
  expect([...seen].sort()).toEqual(Object.keys(RAFT_FRAME).sort())
})

test('entries are handed through: the bytes sent are the entry’s own, the bytes received are views', () => {
  const [value] = fc.sample(entry, 1)
  if (value === undefined) throw new Error('no sample')
  const append: ProtocolMessage = {
    type: 'appendEntries',
    epoch: epoch(0),
    term: term(1),
    prevIndex: logIndex(0),
    prevEpoch: epoch(0),
    prevTerm: term(0),
    entries: [value],
    commitIndex: logIndex(0),
    readPosition: 0,
  }
  const { parts, type } = encodeMessage(append)
  expect(parts[1]).toBe(value.header)
  expect(parts[2]).toBe(value.body)
  const payload = concatBytes(parts)
  const decoded = decodeMessage(type, payload)
  if (decoded?.type !== 'appendEntries') throw new Error('not an appendEntries')
  expect(decoded.entries[0]?.header.buffer).toBe(payload.buffer)
  expect(decoded.entries[0]?.body.buffer).toBe(payload.buffer)
})

test('a changed byte, a missing one, one too many: refused, or encoded to the very same bytes again', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, place, change) => {
      const { type, payload } = wire(value)
      const mutated = payload.slice()
      mutated[place % mutated.length] = (mutated[place % mutated.length] as number) ^ change
      const accepted = decodeOrNull(type, mutated)
      if (accepted !== null) expect(wire(accepted).payload).toEqual(mutated)
      expect(decodeOrNull(type, payload.subarray(0, payload.length - 1))).toBeNull()
      expect(decodeOrNull(type, concatBytes([payload, Uint8Array.of(0)]))).toBeNull()
    }),
    { numRuns: 1_500 },
  )
})

test('random bytes under any known type are refused, or encode to themselves', () => {
  const types = fc.constantFrom(...Object.values(RAFT_FRAME))
  fc.assert(
    fc.property(types, fc.uint8Array({ maxLength: 120 }), (type, payload) => {
      const accepted = decodeOrNull(type, payload)
      if (accepted !== null) expect(wire(accepted)).toEqual({ type, payload })
    }),
    { numRuns: 2_000 },
  )
})

test('a count of entries that cannot be there is refused before memory is spent on it', () => {
  const { type, payload } = wire({
    type: 'appendEntries',
    epoch: epoch(0),
    term: term(1),
    prevIndex: logIndex(0),
    prevEpoch: epoch(0),
    prevTerm: term(0),
    entries: [],
    commitIndex: logIndex(0),
    readPosition: 0,
  })
  writeU32(payload, payload.length - 4, 0xffff_ffff)
  expect(() => decodeMessage(type, payload)).toThrow(/ends before its entries/)
})

test('an offer whose configuration is unsound is refused', () => {
  const sound: Membership = {
    joint: false,
    members: [
      {
        id: nodeId('n1'),
        publicKey: new Uint8Array(32),
        address: 'a:1',
        zone: 'z',
        role: 'voter',
        wasVoter: false,
        promote: false,
      },
    ],
  }
  expect(membershipProblem(sound)).toBeNull()
  const { type, payload } = wire({
    type: 'installSnapshot',
    epoch: epoch(0),
    term: term(1),
    snapshot: {
      base: {
        index: logIndex(9),
        epoch: epoch(0),
        term: term(1),
        chain: new Uint8Array(32),
        timestampMs: 1,
        membership: { index: logIndex(3), membership: sound },
      },
      id: new Uint8Array(32),
      bytes: 10,
    },
  })
  const offerBytesBehind = 32 + 8
  const flags = payload.length - offerBytesBehind - 1
  expect(decodeOrNull(type, payload)).not.toBeNull()
  // A plain configuration in which somebody belongs to old voters; a role that nobody knows.
  for (const [at, value] of [[flags, 1] as const, [flags - 1, 7] as const]) {
    const broken = payload.slice()
    broken[at] = value
    expect(decodeOrNull(type, broken)).toBeNull()
  }
})

test('a type of a newer version is unknown, not an error', () => {
  expect(decodeMessage(0x7f, new Uint8Array(3))).toBeNull()
})

test('a number that the wire cannot carry stops the sender instead of changing on the way', () => {
  const common = { epoch: epoch(0), term: term(1), readPosition: 0, digestIndex: logIndex(0), stateDigest: null }
  const value = { type: 'heartbeatReply', ...common, wallMs: 0.5 } as const
  expect(() => encodeMessage(value)).toThrow(/safe integer/)
})
