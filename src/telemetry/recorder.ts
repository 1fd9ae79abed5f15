/**
 * Counts what the loop tells: always on, in plain numbers, so that `/metrics`, `ConsensusMetrics` and
 * OTLP read the same figures. Spans are told to `SpanRecorder`, which is there only where somebody
 * collects them.
 */
import type { Role } from '../consensus/core.js'
import type { EntryKind } from '../consensus/entry.js'
import type { LogIndex, Millis, Mode, NodeId, Term, ViewNumber } from '../consensus/types.js'
import { Flights } from './flights.js'
import { BucketHistogram, LATENCY_BOUNDS_MS, SIZE_BOUNDS } from './histogram.js'
import { type Attributes, MEMBERS } from './names.js'
import type { Observer, ThreatLevelName, Traces, ViewChangeCause } from './observer.js'
import type { SpanRecorder } from './span-recorder.js'

/** Kinds of evidence counted apart; what is over counts as `other`. */
const EVIDENCE_KINDS_MAX = 16

export class NodeRecorder implements Observer {
  readonly outcomes: Record<Attributes['consensus.outcome'], number> = { committed: 0, rejected: 0, unknown: 0 }
  readonly latency = new BucketHistogram(LATENCY_BOUNDS_MS)
  readonly phases = {
    collect: new BucketHistogram(LATENCY_BOUNDS_MS),
    store: new BucketHistogram(LATENCY_BOUNDS_MS),
    commit: new BucketHistogram(LATENCY_BOUNDS_MS),
    apply: new BucketHistogram(LATENCY_BOUNDS_MS),
    reply: new BucketHistogram(LATENCY_BOUNDS_MS),
  } satisfies Record<Attributes['consensus.phase'], BucketHistogram>
  readonly batchSize = new BucketHistogram(SIZE_BOUNDS)
  readonly fsync = new BucketHistogram(LATENCY_BOUNDS_MS)
  readonly turns = new BucketHistogram(LATENCY_BOUNDS_MS)
  readonly cryptoWait = new BucketHistogram(LATENCY_BOUNDS_MS)
  readonly detection = new BucketHistogram(LATENCY_BOUNDS_MS)
  readonly evidenceStorage = new BucketHistogram(LATENCY_BOUNDS_MS)
  readonly switchLatency = new BucketHistogram(LATENCY_BOUNDS_MS)
  readonly viewChanges = zeros(MEMBERS['consensus.view_change_cause'])
  readonly switches = zeros(MEMBERS['consensus.hybrid.active_protocol'])
  readonly snapshots = zeros(MEMBERS['consensus.replication.snapshot_operation'])
  readonly byzantineFailures = new Map<string, number>()
  submitted = 0
  elections = 0
  leaderChanges = 0
  pauses = 0
  threatLevel: ThreatLevelName = 'none'
  isDiverged = false
  isEpochChanging = false
  readonly #nowMs: () => Millis
  readonly #flights = new Flights()
  /** Applied, their answers still in this turn. */
  #answering: number[] = []
  #collectingMs: Millis | null = null
  #writingMs: Millis | null = null
  #leader: NodeId | null = null
  #spans: SpanRecorder | null = null

  constructor(nowMs: () => Millis) {
    this.#nowMs = nowMs
  }

  /** From now on spans are told too. */
  traceWith(spans: SpanRecorder): void {
    this.#spans = spans
  }

  /** How long the write that is under way has taken so far; 0 where none is. */
  pendingWriteMs(nowMs: Millis): Millis {
    return this.#writingMs === null ? 0 : nowMs - this.#writingMs
  }

  collecting(): void {
    this.#collectingMs = this.#nowMs()
  }

  proposed(index: LogIndex, term: Term, requests: number, bytes: number, traces: Traces): void {
    const nowMs = this.#nowMs()
    const flight = this.#flights.begin(index)
    flight.term = term
    flight.requests = requests
    flight.bytes = bytes
    flight.proposedMs = nowMs
    flight.collectedMs = this.#collectingMs ?? nowMs
    this.#collectingMs = null
    this.submitted += requests
    this.batchSize.record(requests)
    this.#spans?.proposed(flight, traces)
  }

  rejected(requests: number): void {
    this.submitted += requests
    this.outcomes.rejected += requests
  }

  abandoned(requests: number): void {
    this.outcomes.unknown += requests
    this.#spans?.abandoned()
    this.#flights.clear()
    this.#answering = []
  }

  writing(): void {
    this.#writingMs = this.#nowMs()
  }

  written(): void {
    if (this.#writingMs === null) return
    this.fsync.record(this.#nowMs() - this.#writingMs)
    this.#writingMs = null
  }

  stored(upTo: LogIndex): void {
    if (!this.#flights.isEmpty) this.#flights.stored(upTo, this.#nowMs())
  }

  committed(upTo: LogIndex): void {
    if (!this.#flights.isEmpty) this.#flights.committed(upTo, this.#nowMs())
  }

  applying(index: LogIndex): void {
    const flight = this.#flights.find(index)
    if (flight !== null) flight.applyingMs = this.#nowMs()
    this.#spans?.applying(index)
  }

  applied(index: LogIndex, kind: EntryKind, requests: number): void {
    const flight = this.#flights.find(index)
    if (flight !== null) {
      flight.appliedMs = this.#nowMs()
      this.#answering.push(index)
    }
    this.#spans?.applied(index, kind, requests)
  }

  answered(): void {
    if (this.#answering.length === 0) return
    const nowMs = this.#nowMs()
    for (const index of this.#answering) {
      const flight = this.#flights.find(index)
      if (flight === null) continue
      const { requests, collectedMs, proposedMs, appliedMs } = flight
      const storedMs = flight.storedMs === 0 ? appliedMs : flight.storedMs
      const committedMs = flight.committedMs === 0 ? appliedMs : flight.committedMs
      this.phases.collect.record(proposedMs - collectedMs)
      this.phases.store.record(storedMs - proposedMs)
      this.phases.commit.record(committedMs - proposedMs)
      this.phases.apply.record(appliedMs - committedMs)
      this.phases.reply.record(nowMs - appliedMs)
      this.latency.record(nowMs - collectedMs, requests)
      this.outcomes.committed += requests
      this.#spans?.answered(flight, nowMs)
      this.#flights.end(flight)
    }
    this.#answering.length = 0
  }

  turned(durationMs: Millis): void {
    this.turns.record(durationMs)
  }

  paused(): void {
    this.pauses++
  }

  roleChanged(role: Role, term: Term, leader: NodeId | null): void {
    if (role === 'candidate') this.elections++
    if (leader !== this.#leader) this.leaderChanges++
    this.#leader = leader
    this.#spans?.roleChanged(role, term, leader)
  }

  viewChanged(_view: ViewNumber | null, cause: ViewChangeCause): void {
    this.viewChanges[cause]++
  }

  snapshotBegun(index: LogIndex): void {
    this.#spans?.snapshotBegun(index)
  }

  snapshotTaken(index: LogIndex, bytes: number): void {
    this.snapshots.taken++
    this.#spans?.snapshotTaken(index, bytes)
  }

  snapshotFetching(index: LogIndex, bytes: number): void {
    this.#spans?.snapshotFetching(index, bytes)
  }

  snapshotReceived(): void {
    this.snapshots.received++
  }

  snapshotRestored(index: LogIndex, bytes: number): void {
    this.snapshots.restored++
    this.#spans?.snapshotRestored(index, bytes)
  }

  decided(mode: Mode, view: number, sequence: number, requests: number, startedMs: Millis): void {
    this.#spans?.decided(mode, view, sequence, requests, startedMs)
  }

  evidence(kind: string, detectedInMs: Millis | null): void {
    if (detectedInMs !== null) this.detection.record(detectedInMs)
    const known = this.byzantineFailures.has(kind) || this.byzantineFailures.size < EVIDENCE_KINDS_MAX
    const name = known ? kind : 'other'
    this.byzantineFailures.set(name, (this.byzantineFailures.get(name) ?? 0) + 1)
    this.#spans?.evidence(kind)
  }

  evidenceStored(tookMs: Millis): void {
    this.evidenceStorage.record(tookMs)
  }

  threat(level: ThreatLevelName, mode: Mode): void {
    this.threatLevel = level
    this.#spans?.threat(level, mode)
  }

  modeChanged(mode: Mode): void {
    this.switches[mode]++
  }

  switched(tookMs: Millis): void {
    this.switchLatency.record(tookMs)
  }

  epochChanging(isUnderWay: boolean): void {
    this.isEpochChanging = isUnderWay
  }

  verified(waitedMs: Millis): void {
    this.cryptoWait.record(waitedMs)
  }

  diverged(): void {
    this.isDiverged = true
  }
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>
}
