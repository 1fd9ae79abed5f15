/** A node that is made up: facts as a loop would tell them, and every event that an observer can be told. */
import { logIndex, type NodeId, nodeId, term, type ViewNumber } from '../../src/consensus/types.js'
import { collectSeries } from '../../src/telemetry/collect.js'
import type { NodeFacts } from '../../src/telemetry/facts.js'
import { LoopDelay } from '../../src/telemetry/loop-delay.js'
import type { Observer } from '../../src/telemetry/observer.js'
import type { NotReady } from '../../src/telemetry/readiness.js'
import { NodeRecorder } from '../../src/telemetry/recorder.js'
import type { Series } from '../../src/telemetry/series.js'
import { SpanRecorder } from '../../src/telemetry/span-recorder.js'
import type { EntryTrace, SpanSink, TraceLinks } from '../../src/telemetry/spans.js'

export const SELF: NodeId = nodeId('n1')
const PEER = nodeId('n2')
const OTHER_TRACE = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`

/** A clock that only moves when it is told to. */
export class HandClock {
  ms = 1000
  readonly now = (): number => this.ms
}

export function factsOf(changes: Partial<NodeFacts> = {}, status: Partial<NodeFacts['status']> = {}): NodeFacts {
  return {
    status: {
      mode: 'raft',
      role: 'leader',
      epoch: 0 as NodeFacts['status']['epoch'],
      term: term(4),
      view: null,
      round: null,
      leader: SELF,
      firstIndex: logIndex(1),
      lastIndex: logIndex(12),
      commitIndex: logIndex(11),
      peers: [],
      membership: { index: logIndex(0), membership: { joint: false, members: [] } },
      membershipCommitted: true,
      mayVote: true,
      threat: null,
      ...status,
    },
    appliedIndex: logIndex(10),
    operationsApplied: 100,
    restoring: false,
    leaderSilenceMs: 0,
    queues: { requests: 1, slots: 2, writes: 3, reads: 4, messages: 5 },
    logBytes: 4096,
    unflushedBytes: 10,
    digestBacklogBytes: 20,
    sessions: 6,
    clients: 7,
    peers: [
      { id: PEER, connected: true, rttMs: 0.5 },
      { id: nodeId('n3'), connected: false, rttMs: null },
    ],
    newestSnapshot: { index: logIndex(8), bytes: 2048 },
    snapshotBytesMissing: 30,
    disk: null,
    ...changes,
  }
}

export function seriesOf(recorder: NodeRecorder, facts = factsOf(), notReady: readonly NotReady[] = []): Series[] {
  const clock = new HandClock()
  const loopDelay = new LoopDelay(clock.now)
  return collectSeries({ nodeId: SELF, facts, recorder, loopDelay, notReady, throughput: 12.5, nowMs: clock.ms })
}

export interface SeenSpan {
  readonly name: string
  readonly parents: readonly string[]
  readonly startMs: number
  readonly endMs: number
  readonly failed: boolean
  readonly attributes: Readonly<Record<string, unknown>>
}

/** Keeps spans in memory, in the order in which they end. */
export class MemorySink implements SpanSink {
  readonly spans: SeenSpan[] = []
  #begun = 0

  readonly begin: SpanSink['begin'] = (name, startMs, parents) => {
    this.#begun++
    const traceId = '1'.repeat(32)
    const spanId = this.#begun.toString(16).padStart(16, '0')
    return {
      traceId,
      spanId,
      traceparent: `00-${traceId}-${spanId}-01`,
      end: (attributes, endMs, failed = false) => {
        this.spans.push({ name, parents, startMs, endMs, failed, attributes: { ...attributes } })
      },
    }
  }
}

export class MemoryTraceLinks implements TraceLinks {
  readonly sent: EntryTrace[] = []
  onTrace: TraceLinks['onTrace'] = () => undefined

  sendTrace(trace: EntryTrace): void {
    this.sent.push(trace)
  }
}

export interface Rig {
  readonly clock: HandClock
  readonly recorder: NodeRecorder
  readonly spans: SpanRecorder
  readonly sink: MemorySink
  readonly links: MemoryTraceLinks
}

export function makeRig(): Rig {
  const clock = new HandClock()
  const recorder = new NodeRecorder(clock.now)
  const sink = new MemorySink()
  const links = new MemoryTraceLinks()
  const position = () => factsOf().status
  const spans = new SpanRecorder({ nodeId: SELF, protocol: 'raft', nowMs: clock.now, position, sink, links })
  recorder.traceWith(spans)
  return { clock, recorder, spans, sink, links }
}

/** A batch of `requests` from its first request to its answers, 1 ms for each step. */
export function propose(
  observer: Observer,
  clock: HandClock,
  index: number,
  requests: number,
  traces: string[] = [],
): void {
  const at = logIndex(index)
  const bytes = traces.map((text) => new TextEncoder().encode(text))
  observer.collecting()
  clock.ms += 1
  observer.proposed(at, term(4), requests, 64 * requests, bytes)
  observer.writing()
  clock.ms += 1
  observer.written()
  observer.stored(at)
  clock.ms += 1
  observer.committed(at)
  clock.ms += 1
  observer.applying(at)
  observer.applied(at, 'data', requests)
  clock.ms += 1
  observer.answered()
}

/** Everything that can happen, at least once. */
export function liveThrough({ recorder, clock, links }: Rig): void {
  propose(recorder, clock, 5, 3, [OTHER_TRACE])
  recorder.rejected(2)
  recorder.roleChanged('preCandidate', term(4), null)
  recorder.roleChanged('candidate', term(5), null)
  clock.ms += 20
  recorder.roleChanged('leader', term(5), SELF)
  links.onTrace(PEER, { index: logIndex(6), term: term(5), traceparent: OTHER_TRACE })
  recorder.applying(logIndex(6))
  recorder.applied(logIndex(6), 'membership', 0)
  recorder.snapshotBegun(logIndex(6))
  recorder.snapshotTaken(logIndex(6), 4096)
  recorder.snapshotFetching(logIndex(9), 8192)
  recorder.snapshotReceived()
  recorder.snapshotRestored(logIndex(9), 8192)
  recorder.decided('pbft', 3 as ViewNumber, 10, 4, clock.ms - 5)
  recorder.viewChanged(3 as ViewNumber, 'timeout')
  recorder.evidence('equivocation', 0.4)
  recorder.evidenceStored(3)
  recorder.threat('critical', 'raft')
  recorder.epochChanging(true)
  recorder.modeChanged('pbft')
  recorder.epochChanging(false)
  recorder.switched(12)
  recorder.verified(2)
  recorder.turned(0.3)
  recorder.paused()
  recorder.diverged()
}
