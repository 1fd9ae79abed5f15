/**
 * The rooms of one node and how they hang together: what each is made with, and which call of one leads to
 * which of the other. The loop only says when something happens.
 */
import { changeSignBytes, targetMembership } from '../consensus/bft/change-authority.js'
import { epochConfigHash } from '../consensus/bft/replicas.js'
import type { Core, Input, Now, ProtocolMessage } from '../consensus/core.js'
import type { Entry } from '../consensus/entry.js'
import type { LogIndex, Millis, NodeId } from '../consensus/types.js'
import { NO_OBSERVER, type Observer } from '../telemetry/observer.js'
import type { AnswerContext } from '../transport/client-protocol.js'
import type { WorkflowMachine } from '../workflow/machine.js'
import { Checkpoints } from './checkpoints.js'
import { DiskWatch } from './disk-watch.js'
import { EpochSteps } from './epoch-steps.js'
import { EvidenceQueries } from './evidence-queries.js'
import { Execution } from './execution.js'
import type { Intake } from './intake.js'
import { LeaderIntake } from './leader-intake.js'
import { LogWriter, type StoreEffect } from './log-writer.js'
import type { NodeOptions, NodePorts } from './node-options.js'
import { memberList } from './node-status.js'
import { type MemberOrder, Orders } from './orders.js'
import { PoolIntake } from './pool-intake.js'
import { QueryService } from './query-service.js'
import { ReadQueue } from './reads.js'
import { ReceiptSigner } from './receipt-signer.js'
import { Receipts } from './receipts.js'
import { SnapshotKeeper } from './snapshot-keeper.js'
import { SnapshotTransfer } from './snapshot-transfer.js'
import { timedVerifier } from './timed-verifier.js'
import { Verification } from './verification.js'

/** What the rooms ask of the loop, and tell it. */
export interface LoopHooks {
  /** An input of the turn that runs. */
  readonly step: (input: Input) => void
  /** An input that comes from outside of a turn. */
  readonly input: (input: Input) => void
  readonly wake: () => void
  readonly fail: (error: unknown) => void
  readonly stored: (stored: readonly StoreEffect[]) => void
  /** What the core may see. */
  readonly verified: (from: NodeId, message: ProtocolMessage, configHash: Uint8Array, arrivedMs: Millis) => void
  readonly invalid: (from: NodeId, message: ProtocolMessage, reason: 'unsound' | 'signature') => void
  readonly applied: (entry: Entry) => void
  readonly digested: (index: LogIndex, stateDigest: Uint8Array) => void
  readonly describe: () => Record<string, unknown>
  readonly context: () => AnswerContext
  readonly isStopped: () => boolean
  readonly leader: () => NodeId | null
  readonly leads: () => boolean
  readonly commitIndex: () => LogIndex
  readonly silenceMs: () => Millis
  readonly now: () => Now
}

interface Made {
  readonly options: NodeOptions
  readonly ports: NodePorts
  readonly core: Core
  readonly hooks: LoopHooks
  readonly observer: Observer
  /** Null in plain Raft: nothing is verified beyond the link. */
  readonly verification: Verification | null
  readonly reads: ReadQueue
  readonly writer: LogWriter
  readonly checkpoints: Checkpoints
  readonly execution: Execution
  readonly diskIsFull: () => boolean
}

export type NodeParts = ReturnType<typeof makeParts>

export function makeParts(
  options: NodeOptions,
  ports: NodePorts,
  core: Core,
  machine: WorkflowMachine,
  hooks: LoopHooks,
) {
  const { limits } = options
  const observer = ports.observer ?? NO_OBSERVER
  const reads = new ReadQueue({
    limits,
    firstId: 1 + Math.floor(ports.random() * 2 ** 40),
    begin: (id, lease) => hooks.step({ type: 'read', readId: id, lease }),
  })
  const writer = new LogWriter({ log: ports.log, observer, onStored: hooks.stored, onFailed: hooks.fail })
  const verification = makeVerification(ports, core, hooks, observer)
  const checkpoints = new Checkpoints(limits.checkpointInterval, (index, stateDigest) =>
    hooks.input({ type: 'executed', upTo: index, stateDigest, resultRoot: null }),
  )
  const execution = new Execution(
    {
      ...ports,
      limits,
      makeMachine: options.makeMachine,
      cached: (index) => core.entry(index),
      onBegin: (entry) => {
        observer.applying(entry.index)
        intake.begin(entry, hooks.context())
      },
      onRequest: (_entry, ordinal, firstPosition, results) => intake.answer(ordinal, firstPosition, results),
      onApplied: hooks.applied,
      onDigest: ({ index, stateDigest }) => hooks.digested(index, stateDigest),
      wake: hooks.wake,
      onFailed: hooks.fail,
    },
    machine,
  )
  const diskIsFull = () => disk.isFull
  const made: Made = {
    options,
    ports,
    core,
    hooks,
    observer,
    verification,
    reads,
    writer,
    checkpoints,
    execution,
    diskIsFull,
  }
  const intake = makeIntake(made)
  const steps = new EpochSteps(ports.log, ports.epochs, core)
  const snapshots = makeSnapshots(made)
  const disk = new DiskWatch({
    ...ports,
    disk: ports.disk ?? null,
    limits,
    core,
    keeper: snapshots,
    input: hooks.input,
    onFailed: hooks.fail,
  })
  return {
    ...made,
    intake,
    steps,
    snapshots,
    disk,
    transfer: makeTransfer(made),
    orders: makeOrders(made, snapshots),
    queries: makeQueries(made, steps),
  }
}

function makeVerification(ports: NodePorts, core: Core, hooks: LoopHooks, observer: Observer): Verification | null {
  const { verifier, clock, sha256 } = ports
  if (verifier === null) return null
  return new Verification({
    core,
    verifier: timedVerifier(verifier, clock, observer),
    sha256,
    onVerified: (from, message, configHash, arrivedMs) => {
      hooks.verified(from, message, configHash, arrivedMs)
      // A check that ended outside of a turn.
      hooks.wake()
    },
    onInvalid: hooks.invalid,
  })
}

function makeIntake(made: Made): Intake {
  const { options, ports, core, hooks, observer, verification, writer, execution, diskIsFull } = made
  const { limits, self, clusterId } = options
  const { sha256, clock, peers } = ports
  const { leader, leads, step, wake } = hooks
  const applyLag = () => hooks.commitIndex() - execution.appliedIndex
  const shared = { limits, sha256, observer, leader, diskIsFull, applyLag, step }
  if (verification === null) {
    return new LeaderIntake({ ...shared, leads, diskIsIdle: () => !writer.busy && writer.queued === 0 })
  }
  const members = () => core.status().membership.membership.members.map(({ id }) => id)
  return new PoolIntake({ ...shared, self, clusterId, clock, core, peers, verification, members, wake })
}

function makeSnapshots(made: Made): SnapshotKeeper {
  const { options, ports, core, hooks, observer, verification, checkpoints, execution } = made
  return new SnapshotKeeper({
    ...ports,
    core,
    execution,
    clusterId: options.clusterId,
    limits: options.limits,
    observer,
    checkpoints: verification === null ? null : checkpoints,
    onTaken: (snapshot, compactTo) => hooks.input({ type: 'snapshotTaken', snapshot, compactTo }),
    onFailed: hooks.fail,
  })
}

function makeTransfer({ options, ports, hooks, observer }: Made): SnapshotTransfer {
  return new SnapshotTransfer({
    ...ports,
    links: ports.snapshotLinks,
    limits: options.limits,
    observer,
    onFetched: (snapshot) => hooks.input({ type: 'snapshotFetched', snapshot }),
    onRejected: (from, id) => hooks.input({ type: 'snapshotRejected', from, id }),
    onGone: (id) => hooks.input({ type: 'snapshotGone', id }),
    onFailed: hooks.fail,
  })
}

function makeOrders(made: Made, snapshots: SnapshotKeeper): Orders {
  const { options, hooks, execution } = made
  return new Orders({
    roleOf: (key) => execution.machine.roleOf(key),
    context: hooks.context,
    leader: hooks.leader,
    give: (orderId, order) => hooks.step({ type: 'order', orderId, order }),
    verify: (change, done) => verifyChange(made, change, done),
    takeSnapshot: () => snapshots.take(false),
    compact: () => snapshots.compact(),
    openMax: options.limits.queriesWaitingMax,
    wake: hooks.wake,
  })
}

/** What nobody signed, the core refuses by itself. */
function verifyChange(
  { options, ports, hooks, verification }: Made,
  change: MemberOrder,
  done: (valid: boolean) => void,
) {
  const { authority, planned, target } = change
  if (verification === null || authority === undefined) return done(true)
  const membership = targetMembership(target)
  const place = { clusterId: options.clusterId, epoch: authority.epoch, planned }
  const bytes = changeSignBytes(ports.sha256, place, membership)
  verification.checkAll([{ ...authority, bytes }], (valid) => {
    if (!hooks.isStopped()) done(valid)
  })
}

function makeQueries(
  { options, ports, core, hooks, reads, execution, verification }: Made,
  steps: EpochSteps,
): QueryService {
  const { state, evidence: store, log, snapshots, sha256, clock } = ports
  const { self, clusterId, sign, limits } = options
  const held = { core, state, steps }
  const signer = new ReceiptSigner(self, sign)
  const membership = () => core.status().membership.membership
  const authority = {
    isPlain: verification === null,
    configHash: () =>
      core.epochLinks === undefined ? core.configHash() : epochConfigHash(sha256, options.configHash, membership()),
  }
  const woken = (added: boolean) => {
    hooks.wake()
    return added
  }
  return new QueryService({
    state,
    log,
    snapshots,
    execution,
    receipts: new Receipts({ ...held, ...authority, log, execution, signer, sha256, clusterId }),
    evidence: new EvidenceQueries({ ...held, store }),
    context: hooks.context,
    status: hooks.describe,
    members: () => memberList(core.status()),
    staleMs: hooks.silenceMs,
    openMax: limits.queriesWaitingMax,
    holdsLease: () => core.holdsLease(hooks.now()),
    confirmed: (lease, callback) => woken(reads.add(callback, lease)),
    applied: (index, callback) => woken(reads.addAfter(index, clock.monotonicMs(), callback)),
  })
}
