/**
 * Shows that each invariant of the hybrid can fail: the rules look at what a real cluster did, a switch
 * included, and find nothing; then at the same with one thing changed, and say what is wrong. Two
 * certificates for one term, two acknowledgements, a signature after the abort, an end of an epoch that
 * lacks what was told, and so on through the list of docs/consensus/hybrid.md.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { computeBatchDigest } from '../../src/consensus/batch-digest.js'
import { changeSignBytes, encodeChange } from '../../src/consensus/bft/change-authority.js'
import { type Evidence, encodeEvidence, equivocation } from '../../src/consensus/bft/evidence.js'
import type { SignedStatement, Statement } from '../../src/consensus/bft/statement.js'
import { signBytes } from '../../src/consensus/bft/statement.js'
import type { Core, Effect, ProtocolMessage, StoreRecord } from '../../src/consensus/core.js'
import { type Entry, GENESIS_CHAIN, makeEntry } from '../../src/consensus/entry.js'
import { encodeEpochRecord } from '../../src/consensus/hybrid/epoch-record.js'
import type { HybridMessage } from '../../src/consensus/hybrid/messages.js'
import { positionStatement } from '../../src/consensus/hybrid/positions.js'
import { select } from '../../src/consensus/hybrid/select.js'
import { genesisMembership, type Membership } from '../../src/consensus/membership.js'
import { logIndex, type NodeId, nodeId, term } from '../../src/consensus/types.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { EntryRules } from '../../src/simulator/byzantine/entry-rules.js'
import { ByzantineRules } from '../../src/simulator/byzantine/rules.js'
import { SIMULATED_CLIENT_KEY, SimulatedCluster, simulatedConfiguration } from '../../src/simulator/cluster.js'
import { clusterOptionsOf } from '../../src/simulator/cluster-of-plan.js'
import { HistoryRecorder } from '../../src/simulator/history-recorder.js'
import { ChangeRules } from '../../src/simulator/hybrid/change-rules.js'
import { EpochStarts } from '../../src/simulator/hybrid/epoch-starts.js'
import { HybridInvariants } from '../../src/simulator/hybrid/invariants.js'
import { planHybridRun } from '../../src/simulator/hybrid/plan.js'
import { SwitchRules } from '../../src/simulator/hybrid/switch-rules.js'
import type { SimulatedNode } from '../../src/simulator/node.js'
import { giveOrder } from '../../src/simulator/operator.js'
import { SeededRandom } from '../../src/simulator/random.js'
import { keyedHashes, simulatedSigner } from '../../src/simulator/signatures.js'
import { WorkloadClient } from '../../src/simulator/workload-client.js'
import { encodeApplied } from '../../src/transport/client-protocol.js'
import { violated } from './violated.js'

const plan = { ...planHybridRun(1, 4, 0), faults: [], verifyMaxMs: 0 }

/** What honest members sent, and answered, in a run with one switch. */
interface Seen {
  readonly cluster: SimulatedCluster
  readonly rules: ByzantineRules
  readonly sent: { readonly from: NodeId; readonly message: ProtocolMessage }[]
  readonly answers: { readonly by: NodeId; readonly request: string; readonly payload: Uint8Array }[]
  readonly steps: { readonly node: SimulatedNode; readonly core: Core; readonly effects: readonly Effect[] }[]
}

let seen: Seen

beforeAll(async () => {
  const cluster = new SimulatedCluster({ ...clusterOptionsOf(plan), sha256 })
  const rules = new ByzantineRules(cluster, plan)
  const found: Seen = { cluster, rules, sent: [], answers: [], steps: [] }
  const { onSend } = cluster.network
  cluster.network.onSend = (from, to, message) => {
    found.sent.push({ from, message })
    onSend(from, to, message)
  }
  const watch = cluster.watch as NonNullable<typeof cluster.watch>
  cluster.watch = {
    signed: (...given) => watch.signed(...given),
    stepped: (node, core, input, effects) => {
      found.steps.push({ node, core, effects })
      watch.stepped(node, core, input, effects)
    },
  }
  await cluster.start()
  const client = new WorkloadClient({
    cluster,
    recorder: new HistoryRecorder(cluster.queue),
    random: new SeededRandom(1, 1),
    name: 'c',
    keys: ['a', 'b'],
    thinkMaxMs: 5,
    onlyReads: false,
    hasLeases: false,
    isQuiet: () => false,
    prefers: () => null,
    trace: null,
    onRead: () => () => {},
    onAcknowledged: () => {},
    onSigned: (request) => rules.issued(request),
    onAnswer: (by, request, payload) => found.answers.push({ by, request, payload }),
    onNonsense: (detail) => {
      throw new Error(detail)
    },
  })
  client.start()
  expect(await cluster.run(20_000, () => client.completed >= 30)).toBe(true)
  for (const node of cluster.nodes) giveOrder(cluster, node, { kind: 'setMode', mode: 'bft' })
  const inByzantine = () => cluster.nodes.every((node) => node.running?.core.status().mode === 'pbft')
  expect(await cluster.run(20_000, inByzantine)).toBe(true)
  client.stop()
  await cluster.run(1000)
  for (const node of cluster.nodes) expect(node.broken).toBeNull()
  seen = found
}, 60_000)

const nobodyLies = () => false
const fresh = () => new HybridInvariants(seen.cluster, nobodyLies)

type OfType<T> = Extract<HybridMessage, { type: T }>

function sentOf<T extends HybridMessage['type']>(type: T, isMeant: (message: OfType<T>) => boolean = () => true) {
  const found = seen.sent.find(({ message }) => message.type === type && isMeant(message as OfType<T>))
  if (found === undefined) throw new Error(`nobody sent ${type}`)
  return { from: found.from, message: found.message as OfType<T> }
}

/** Signed by an honest member after all: its invariants see to it that no member does so. */
function signedBy(id: NodeId, statement: Statement): { readonly bytes: Uint8Array; readonly signed: SignedStatement } {
  const member = seen.cluster.configuration.members.find((one) => one.id === id)
  if (member === undefined) throw new Error(`${id} is no member`)
  const starts = new EpochStarts(seen.cluster)
  const bytes = signBytes(starts.endingOf(starts.first).raft.sign, statement)
  return { bytes, signed: { ...statement, signer: id, signature: simulatedSigner(sha256, member.publicKey)(bytes) } }
}

const other = (digest: Uint8Array): Uint8Array => sha256(digest)

describe('what an honest cluster did', () => {
  it('breaks nothing, and every rule compared something', () => {
    const { invariants } = seen.rules
    if (!(invariants instanceof HybridInvariants)) throw new Error('a hybrid has the invariants of a hybrid')
    const { raft, switching, leaving } = invariants
    expect(invariants.switches).toBe(1)
    for (const counts of [raft.checks, switching.checks, leaving.checks])
      for (const [what, count] of Object.entries(counts)) expect(count, what).toBeGreaterThan(0)
    const again = fresh()
    for (const { by, request, payload } of seen.answers) again.answered(by, request, payload)
    expect(again.replies.checks).toBeGreaterThan(30)
  })
})

describe('in a Raft epoch', () => {
  it('oneTermCertificate: two members lead a term', () => {
    const { from, message } = sentOf('hybridAppend', (append) => append.termCertificate !== null)
    const { termCertificate } = message
    if (termCertificate === null) throw new Error('it has none')
    const rules = fresh()
    rules.raft.released(from, message)
    const candidate = nodeId(termCertificate.candidate === 'n1' ? 'n2' : 'n1')
    const second = { ...message, termCertificate: { ...termCertificate, candidate } }
    expect(violated(() => rules.raft.released(from, second))).toBe('oneTermCertificate')
  })

  it('commitCertificatesAgree: two entries are certified in one place', () => {
    const { from, message } = sentOf('hybridCommit')
    const { commit } = message
    const rules = fresh()
    rules.raft.released(from, message)
    const statement = { ...commit.statement, digest: other(commit.statement.digest) }
    const second = { ...message, commit: { ...commit, statement }, proof: null }
    expect(violated(() => rules.raft.released(from, second))).toBe('commitCertificatesAgree')
  })

  it('neverSignsTwice: two acknowledgements for one place', () => {
    const { from, message } = sentOf('hybridAck', ({ ack }) => ack !== null)
    const ack = message.ack as SignedStatement
    const rules = fresh()
    const first = signedBy(from, ack)
    const second = signedBy(from, { ...ack, digest: other(ack.digest) })
    for (const { bytes, signed } of [first, second]) rules.signing.signed(from, bytes, signed.signature)
    rules.signing.released(from, { ...message, ack: first.signed })
    expect(violated(() => rules.signing.released(from, { ...message, ack: second.signed }))).toBe('neverSignsTwice')
  })

  it('acknowledgedIsDurable, heldIsDurable, voteIsDurable, abortIsDurable: promises that are on no disk', () => {
    const { raft } = fresh()
    const later = { epoch: 7 as never, view: 99 }
    const said = sentOf('hybridAck', ({ ack }) => ack !== null)
    const ack = { ...(said.message.ack as SignedStatement), ...later, digest: other(new Uint8Array(32)) }
    expect(violated(() => raft.released(said.from, { ...said.message, ack, held: null }))).toBe('acknowledgedIsDurable')
    const held = { ...ack, type: 'held' } as const
    const message = { type: 'hybridHeld', epoch: held.epoch, held, waits: false } as const
    expect(violated(() => raft.released(said.from, message))).toBe('heldIsDurable')
    const given = sentOf('hybridGrant', ({ grant }) => grant !== null)
    const grant = { ...(given.message.grant as SignedStatement), ...later }
    expect(violated(() => raft.released(given.from, { ...given.message, grant }))).toBe('voteIsDurable')
    const shown = sentOf('hybridHistory')
    const history = { ...shown.message.history, epoch: 7 as never }
    expect(violated(() => raft.released(shown.from, { ...shown.message, history }))).toBe('abortIsDurable')
  })

  it('termStartsAtTip: a term begins without its certificate, or behind another entry', () => {
    const step = seen.steps.find(({ effects }) => entriesIn(effects).some(({ kind }) => kind === 'mode'))
    if (step === undefined) throw new Error('no term began')
    const entry = entriesIn(step.effects).find(({ kind }) => kind === 'mode')
    if (entry === undefined) throw new Error('no term began')
    const write = (records: readonly StoreRecord[]): Effect[] => [
      { type: 'store', writeId: 1 as never, epoch: 0 as never, term: term(1), index: entry.index, records },
    ]
    const look = (changed: typeof entry) =>
      violated(() => fresh().raft.stepped(step.node, step.core, write([{ kind: 'entries', entries: [changed] }])))
    expect(look(entry)).toBeNull()
    expect(look({ ...entry, previousChain: other(entry.previousChain) })).toBe('termStartsAtTip')
    expect(look({ ...entry, term: term(entry.term + 1) })).toBe('termStartsAtTip')
  })

  it('answeredIsProven: an entry is told that a quorum does not have', () => {
    const [node] = seen.cluster.nodes as [SimulatedNode]
    const entry = { ...(seen.steps.flatMap(({ effects }) => entriesIn(effects))[0] as never as object) }
    const status = { mode: 'raft', epoch: 0 }
    const unknown = { ...entry, epoch: 0, index: 40, chain: new Uint8Array(32).fill(9) }
    const core = { status: () => status, entry: () => unknown } as unknown as Core
    const effects: Effect[] = [{ type: 'commit', upTo: logIndex(40), assurance: 'fast' }]
    expect(violated(() => fresh().raft.stepped(node, core, effects))).toBe('answeredIsProven')
  })

  it('appliedIsNeverTruncated: a log is cut below what was told', () => {
    const { node, core } = seen.steps.at(-1) as Seen['steps'][number]
    const { raft } = fresh()
    raft.stepped(node, core, [{ type: 'commit', upTo: logIndex(9), assurance: 'certified' }])
    const cut = (from: number): Effect[] => [
      {
        type: 'store',
        writeId: 1 as never,
        epoch: 0 as never,
        term: term(0),
        index: logIndex(0),
        records: [{ kind: 'truncate', from: logIndex(from) }],
      },
    ]
    expect(violated(() => raft.stepped(node, core, cut(10)))).toBeNull()
    expect(violated(() => raft.stepped(node, core, cut(9)))).toBe('appliedIsNeverTruncated')
  })
})

describe('where an epoch ends', () => {
  it('abortNeedsProof: one member leaves for reasons of its own', () => {
    const [node] = seen.cluster.nodes as [SimulatedNode]
    const core = node.running?.core as Core
    const { leaving } = fresh()
    const left: Effect = { type: 'epochChanged', epoch: 0 as never, mode: 'raft', isUnderWay: true, reason: '' }
    const { message } = sentOf('hybridVote', ({ vote }) => vote.type === 'panic')
    const hear = (from: NodeId, heard: typeof message): void =>
      leaving.stepped(node, core, { type: 'message', from, configHash: new Uint8Array(32), message: heard }, [])
    hear(node.id, message)
    expect(violated(() => leaving.stepped(node, core, { type: 'tick' }, [left]))).toBe('abortNeedsProof')
    const [second, third] = seen.cluster.nodes.map(({ id }) => id).filter((id) => id !== message.vote.signer)
    if (second === undefined || third === undefined) throw new Error('too few members')
    // Shown by another, it is still one.
    hear(second, message)
    expect(violated(() => leaving.stepped(node, core, { type: 'tick' }, [left]))).toBe('abortNeedsProof')
    hear(third, { ...message, vote: { ...message.vote, signer: second } })
    expect(violated(() => leaving.stepped(node, core, { type: 'tick' }, [left]))).toBeNull()
  })

  it('nothingSignedAfterAbort: an acknowledgement after the history', () => {
    const { from, message } = sentOf('hybridHistory')
    const { leaving } = fresh()
    const place = { term: term(1), index: logIndex(1), hash: new Uint8Array(32) }
    const ack = signedBy(from, positionStatement('ack', message.history.epoch, place)).bytes
    expect(violated(() => leaving.signed(from, ack))).toBeNull()
    leaving.signed(from, signedBy(from, message.history.vote).bytes)
    expect(violated(() => leaving.signed(from, ack))).toBe('nothingSignedAfterAbort')
  })

  it('oneAbortHistory: a member shows two', () => {
    const { from, message } = sentOf('hybridHistory', ({ history }) => history.vote.signer !== undefined)
    const { switching } = fresh()
    switching.released(from, message)
    const { history } = message
    const vote = { ...history.vote, digest: other(history.vote.digest) }
    const second = { ...message, history: { ...history, vote } }
    expect(violated(() => switching.released(from, second))).toBe('oneAbortHistory')
  })

  it('oneSwitchCertificate, switchIsCertified: an epoch ends twice, or by commits of nobody', () => {
    const { from, message } = sentOf('hybridSwitch')
    const { switching } = fresh()
    switching.released(from, message)
    const { certificate } = message
    const later = { ...certificate, timestampMs: certificate.timestampMs + 1 }
    expect(violated(() => switching.released(from, { ...message, certificate: later }))).toBe('oneSwitchCertificate')
    expect(violated(() => fresh().switching.released(from, { ...message, certificate: later }))).toBe(
      'switchIsCertified',
    )
  })

  it('answeredIsWithinResult: somebody was told more', () => {
    const { from, message } = sentOf('hybridSwitch')
    const { switching } = fresh()
    const [node] = seen.cluster.nodes as [SimulatedNode]
    const core = { status: () => ({ mode: 'raft', epoch: 0 }) } as unknown as Core
    switching.stepped(node, core, [{ type: 'commit', upTo: logIndex(100_000), assurance: 'certified' }])
    expect(violated(() => switching.released(from, message))).toBe('answeredIsWithinResult')
  })

  it('initBodiesAreHeld: nobody but the liars has the bodies', () => {
    const { from, message } = sentOf('hybridSwitch')
    const { cluster } = seen
    const mayLie = (id: NodeId) => id !== 'n1'
    const starts = new EpochStarts(cluster)
    const rules = new SwitchRules({ cluster, starts, mayLie, committedChain: () => undefined })
    expect(violated(() => rules.released(from, message))).toBe('initBodiesAreHeld')
  })

  it('selectIsDeterministic: a SELECT that goes by the first history', () => {
    const { from, message } = sentOf('hybridSwitch')
    const { cluster } = seen
    const starts = new EpochStarts(cluster)
    const byFirst: typeof select = (histories) => {
      const found = select(histories)
      return found.kind === 'result' ? { ...found, holders: [(histories[0] as { signer: NodeId }).signer] } : found
    }
    const options = { cluster, starts, mayLie: nobodyLies, committedChain: () => undefined }
    expect(violated(() => new SwitchRules(options).released(from, message))).toBeNull()
    const rules = new SwitchRules({ ...options, select: byFirst })
    expect(violated(() => rules.released(from, message))).toBe('selectIsDeterministic')
  })

  it('oneSuccessor: an epoch begins in two ways', () => {
    const [node, second] = seen.cluster.nodes as [SimulatedNode, SimulatedNode]
    const { switching } = fresh()
    const core = node.running?.core as Core
    const starts = new EpochStarts(seen.cluster)
    const record = starts.recordOf(node)
    if (record === null) throw new Error('it has written nothing')
    const { start } = record
    const write = (safety: Uint8Array): Effect[] => [
      {
        type: 'store',
        writeId: 1 as never,
        epoch: start.epoch,
        term: term(0),
        index: logIndex(0),
        records: [{ kind: 'safety', safety }],
      },
    ]
    switching.stepped(node, core, write(encodeEpochRecord(record)))
    const elsewhere = { ...start, origin: { ...start.origin, index: logIndex(start.origin.index + 1) } }
    const changed = encodeEpochRecord({ ...record, start: elsewhere })
    expect(violated(() => switching.stepped(second, core, write(changed)))).toBe('oneSuccessor')
  })
})

describe('where members change', () => {
  const membership: Membership = genesisMembership(simulatedConfiguration({ nodes: 4, spares: 1 }))
  const [, ...stay] = membership.members
  const fewer: Membership = { ...membership, members: stay }
  const context = { clusterId: new Uint8Array(16).fill(0x5c), epoch: 0 as never }
  const clientKey = keyedHashes(sha256).publicKeyOf(SIMULATED_CLIENT_KEY)
  const ordered = (planned: number): Entry => {
    const bytes = changeSignBytes(sha256, { ...context, planned: logIndex(planned) }, fewer)
    const signature = keyedHashes(sha256).signerOf(clientKey)(bytes)
    const body = encodeChange(fewer, { publicKey: clientKey, signature })
    const batchDigest = computeBatchDigest(sha256, 'membership', body)
    const place = { epoch: context.epoch, index: logIndex(1), timestampMs: 1, term: term(1) }
    const hashes = { configHash: new Uint8Array(32), previousChain: GENESIS_CHAIN, batchDigest }
    const fields = { ...place, ...hashes, kind: 'membership', clusterId: context.clusterId } as const
    return makeEntry(sha256, fields, body)
  }
  const core = { membershipAt: () => ({ index: logIndex(0), membership }) } as never as Core
  const entriesAfter = (first: Entry | undefined): EntryRules =>
    new EntryRules({
      sha256,
      signatures: keyedHashes(sha256),
      modeOf: () => 'raft',
      clusterId: context.clusterId,
      clusterConfigHash: new Uint8Array(32),
      entryAt: (index) => (index === 1 ? first : undefined),
      clientKey,
    })

  it('membersAreOfLog: an epoch has other members than the newest change gave it', () => {
    const { first } = new EpochStarts(seen.cluster)
    const change = ordered(0)
    const start = { ...first, origin: { ...first.origin, index: logIndex(1), chain: change.chain } }
    const look = (changed: typeof start, entry: Entry | undefined = change) =>
      violated(() => new ChangeRules(membership, () => entry).committedIn(nodeId('n1'), changed))
    expect(look({ ...start, membership: fewer, configuredAt: logIndex(1) })).toBeNull()
    expect(look({ ...start, membership, configuredAt: logIndex(1) })).toBe('membersAreOfLog')
    expect(look({ ...start, membership, configuredAt: logIndex(0) })).toBe('membersAreOfLog')
    expect(look({ ...start, membership: fewer, configuredAt: logIndex(0) })).toBe('membersAreOfLog')
  })

  it('changeEndsEpoch, validity: an entry behind a change in its epoch, a change that nobody ordered', () => {
    const change = ordered(0)
    expect(violated(() => entriesAfter(undefined).committed('n1', core, change, undefined))).toBeNull()
    expect(violated(() => entriesAfter(undefined).committed('n1', core, ordered(7), undefined))).toBe('validity')
    const next = { ...change, index: logIndex(2), kind: 'empty' as const, previousChain: change.chain }
    const later = { ...next, epoch: 1 as never }
    expect(violated(() => entriesAfter(change).committed('n1', core, later, later))).toBeNull()
    expect(violated(() => entriesAfter(change).committed('n1', core, next, next))).toBe('changeEndsEpoch')
  })
})

describe('clients', () => {
  it('appliedOnce, replyEpochsMonotone: another result of a request, an epoch that goes back', () => {
    const [answer] = seen.answers as [Seen['answers'][number]]
    const { by, request, payload } = answer
    const rules = fresh()
    rules.answered(by, request, payload)
    const moved = payload.slice()
    // The lowest byte of the index.
    moved[10] = (moved[10] as number) + 1
    expect(violated(() => rules.answered(nodeId('n2'), request, moved))).toBe('appliedOnce')
    const context = { mode: 'pbft', assurance: 'certified' } as const
    const none = new Uint8Array(2)
    rules.answered(by, 'x', encodeApplied(1, { ...context, epoch: 2 }, 50, 0, none))
    const back = encodeApplied(1, { ...context, epoch: 1 }, 51, 0, none)
    expect(violated(() => rules.answered(by, 'y', back))).toBe('replyEpochsMonotone')
  })
})

it('honestIsNeverAccused: evidence against a member that did not lie', () => {
  const [node] = seen.cluster.nodes as [SimulatedNode]
  const { from, message } = sentOf('hybridAck', ({ ack }) => ack !== null)
  const ack = message.ack as SignedStatement
  const starts = new EpochStarts(seen.cluster)
  const { configHash } = starts.endingOf(starts.first).raft.sign
  const second = signedBy(from, { ...ack, digest: other(ack.digest) }).signed
  const context = { clusterId: seen.cluster.configuration.clusterId, configHash }
  const evidence = encodeEvidence(equivocation(context, ack, second) as Evidence)
  const core = node.running?.core as Core
  const effects: Effect[] = [{ type: 'evidence', evidence }]
  expect(violated(() => fresh().evidence.stepped(node, core, { type: 'tick' }, effects))).toBe('honestIsNeverAccused')
})

function entriesIn(effects: readonly Effect[]) {
  return effects.flatMap((effect) =>
    effect.type === 'store'
      ? effect.records.flatMap((record) => (record.kind === 'entries' ? record.entries : []))
      : [],
  )
}
