/** From the head of a scenario to a world in which its first step can happen. */
import { assert } from '../../base/assert.js'
import { KnhkError } from '../../base/error.js'
import { type ClusterSettings, DEFAULT_SETTINGS, PRIORITY_MAX } from '../../consensus/configuration.js'
import type { Entry } from '../../consensus/entry.js'
import { decodeMembership, type Membership } from '../../consensus/membership.js'
import { DEFAULT_RAFT_LIMITS, type RaftLimits } from '../../consensus/raft/config.js'
import type { LogBase } from '../../consensus/snapshot.js'
import { epoch, type NodeId, nodeId, term } from '../../consensus/types.js'
import { sha256 } from '../../crypto/sha256.js'
import { SeededRandom } from '../random.js'
import { MemoryDisk, PlainLog } from './disk.js'
import { baseAt, makeLog, type WrittenEntry } from './entries.js'
import { type Field, need } from './field.js'
import { JournalDisk } from './journal-disk.js'
import { MEMBER_KEYS, makeMember, readMembership } from './members.js'
import { ScenarioNode } from './node.js'
import { snapshotOf, World } from './world.js'

const NODE_KEYS = ['term', 'vote', 'log', 'commit', 'base', 'snapshot', 'storage', 'played'] as const
export const HEAD_KEYS = [
  'title',
  'why',
  'source',
  'seed',
  'storage',
  'members',
  'leases',
  'commitZones',
  'preferredZones',
  'priorities',
  'limits',
  'nodes',
  'never',
  'steps',
] as const

interface StartState {
  readonly id: string
  readonly term: number
  readonly vote: string | null
  readonly log: readonly Entry[]
  readonly commit: number
  readonly baseIndex: number
  readonly snapshotIndex: number
  readonly storesByHand: boolean
  readonly byHand: boolean
}

/** Builds and starts the nodes. `head` holds only known keys. */
export async function setUp(head: ReadonlyMap<string, Field>, document: Field): Promise<World> {
  const world = new World()
  const starts = readNodes(head.get('nodes'))
  world.genesis = readGenesis(head.get('members'), starts)
  const seed = head.get('seed')?.integer() ?? 1
  const storage = head.get('storage')?.oneOf(['memory', 'journal']) ?? 'memory'
  const settings = readSettings(head)
  world.rules.commitsApart = settings.commitZones !== null
  const priorities = new Map((head.get('priorities')?.entries() ?? []).map(readPriority))
  const limits = readLimits(head.get('limits'))
  for (const [at, start] of starts.entries()) {
    const random = new SeededRandom(seed, at + 1).next
    const durable = plainLogOf(start, world.genesis)
    const disk =
      storage === 'memory'
        ? new MemoryDisk(durable.copy())
        : await JournalDisk.create(nodeId(start.id), new SeededRandom(seed, -at - 1).next, durable)
    const { storesByHand, byHand, commit, snapshotIndex } = start
    const snapshot = snapshotIndex === 0 ? null : offerAt(start.log, snapshotIndex)
    const id = nodeId(start.id)
    const parts = { id, disk, durable, appliedIndex: commit, snapshot, storesByHand, byHand, random, settings, limits }
    const preference = priorities.size === 0 ? {} : { priorities }
    world.nodes.set(start.id, new ScenarioNode({ ...parts, ...preference, genesis: world.genesis }, world.events))
    for (const entry of start.log) world.rules.entry(id, entry)
    for (const entry of start.log.slice(0, commit)) world.rules.given(entry.index, entry, start.term)
    if (byHand) world.rules.countsCopies = false
  }
  for (const node of world.nodes.values()) {
    await node.start()
    if (node.refusedStart !== null) document.fail(`has a node ${node.id} that cannot start: ${node.refusedStart}`)
  }
  return world
}

/** The offer that a node makes of its state after entry `index` of `log`. */
export function offerAt(log: readonly Entry[], index: number) {
  const entry = log.find((one) => one.index === index)
  if (entry === undefined) throw new KnhkError('InvalidArgument', `there is no entry ${index} to snapshot`)
  return snapshotOf(baseAt(entry, membershipAt(log, index)), sha256(entry.chain))
}

/** The configuration that entries up to `index` brought; null for the genesis configuration. */
function membershipAt(log: readonly Entry[], index: number): LogBase['membership'] {
  const found = log.findLast((entry) => entry.kind === 'membership' && entry.index <= index)
  return found === undefined ? null : { index: found.index, membership: decodeMembership(found.body) }
}

/** A log that is written down: terms, and members where an entry changes them. */
export function readLog(field: Field): Entry[] {
  const written: WrittenEntry[] = field.items().map((item) => {
    if (!item.isRecord) return { term: item.integer(1), membership: null }
    const record = item.record(['term', ...MEMBER_KEYS])
    return { term: need(record, 'term', item).integer(1), membership: readMembership(record) }
  })
  for (let i = 1; i < written.length; i++) {
    if ((written[i] as WrittenEntry).term < (written[i - 1] as WrittenEntry).term) field.fail('has terms that go back')
  }
  return makeLog(written)
}

function readNodes(field: Field | undefined): StartState[] {
  if (field === undefined) return []
  if (!field.isRecord) return Array.from({ length: field.integer(1, 64) }, (_, i) => fresh(`n${i + 1}`))
  return field.entries().map(([id, node]) => {
    if (!/^[a-z0-9-]{1,64}$/.test(id)) node.fail('has a name of other letters than a-z, 0-9 and -')
    return readNode(id, node)
  })
}

function readNode(id: string, field: Field): StartState {
  const record = field.record(NODE_KEYS)
  const log = record.has('log') ? readLog(record.get('log') as Field) : []
  const baseIndex = record.get('base')?.integer(0, log.length) ?? 0
  const commit = record.get('commit')?.integer(baseIndex, log.length) ?? baseIndex
  return {
    id,
    log,
    baseIndex,
    commit,
    term: record.get('term')?.integer(log.at(-1)?.term ?? 0) ?? log.at(-1)?.term ?? 0,
    vote: record.get('vote')?.text() ?? null,
    snapshotIndex: record.get('snapshot')?.integer(baseIndex, log.length) ?? baseIndex,
    storesByHand: record.get('storage')?.oneOf(['at once', 'by hand']) === 'by hand',
    byHand: record.get('played')?.oneOf(['by hand']) === 'by hand',
  }
}

function fresh(id: string): StartState {
  const nothing = { term: 0, vote: null, log: [], commit: 0, baseIndex: 0, snapshotIndex: 0 }
  return { id, ...nothing, storesByHand: false, byHand: false }
}

function readGenesis(field: Field | undefined, starts: readonly StartState[]): Membership {
  if (field !== undefined) return readMembership(field.record(MEMBER_KEYS))
  const everybody = starts.map(({ id }) => id)
  return { joint: false, members: everybody.map((id) => makeMember(id, 'voter')) }
}

function readSettings(head: ReadonlyMap<string, Field>): ClusterSettings {
  return {
    ...DEFAULT_SETTINGS,
    leaseDriftMs: head.get('leases')?.integer(0, 100) ?? null,
    commitZones: (head.get('commitZones')?.integer(2, 2) ?? null) as ClusterSettings['commitZones'],
    preferredZones:
      head
        .get('preferredZones')
        ?.items()
        .map((zone) => zone.text()) ?? null,
  }
}

function readPriority([id, field]: readonly [string, Field]): [NodeId, number] {
  return [nodeId(id), field.integer(0, PRIORITY_MAX)]
}

function readLimits(field: Field | undefined): RaftLimits {
  if (field === undefined) return DEFAULT_RAFT_LIMITS
  const given = field.record(Object.keys(DEFAULT_RAFT_LIMITS))
  return { ...DEFAULT_RAFT_LIMITS, ...Object.fromEntries([...given].map(([key, value]) => [key, value.integer(0)])) }
}

function plainLogOf(start: StartState, genesis: Membership): PlainLog {
  assert(genesis.members.length > 0, 'a story has members')
  const plain = new PlainLog()
  plain.hardState = {
    epoch: epoch(0),
    term: term(start.term),
    votedFor: start.vote === null ? null : nodeId(start.vote),
  }
  plain.entries = start.log.slice(start.baseIndex)
  if (start.baseIndex > 0) plain.base = offerAt(start.log, start.baseIndex).base
  return plain
}
