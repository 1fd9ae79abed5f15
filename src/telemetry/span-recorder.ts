/**
 * Makes spans of what the loop tells: a proposal with its replication and its apply on the leader, the
 * apply of the same entry on the followers, elections, snapshots, threats. Each kind is begun where it
 * begins, because the sampler decides there and the followers need the context; its attributes are
 * complete only at the end.
 */
import type { Role } from '../consensus/core.js'
import type { EntryKind } from '../consensus/entry.js'
import type { LogIndex, Millis, Mode, NodeId, ProtocolName, Term } from '../consensus/types.js'
import type { Flight } from './flights.js'
import type { Attributes } from './names.js'
import type { ThreatLevelName, Traces } from './observer.js'
import {
  type EntryTrace,
  type OpenSpan,
  type SpanSink,
  type TraceLinks,
  type TraceParent,
  traceParents,
} from './spans.js'

/** Entries whose trace is known and that are not applied yet; older ones are forgotten. */
const TRACED_ENTRIES_MAX = 256

const ROLE_NAMES: Readonly<Record<Role, Attributes['consensus.raft.role']>> = {
  follower: 'follower',
  preCandidate: 'pre_candidate',
  candidate: 'candidate',
  leader: 'leader',
  learner: 'learner',
}

export interface SpanRecorderOptions {
  readonly nodeId: NodeId
  readonly protocol: ProtocolName
  readonly nowMs: () => Millis
  readonly position: () => { readonly mode: Mode; readonly epoch: number; readonly term: number }
  readonly sink: SpanSink
  readonly links: TraceLinks
}

interface OpenProposal {
  readonly term: Term
  readonly span: OpenSpan<'consensus.propose'>
  readonly replicate: OpenSpan<'consensus.raft.replicate'> | null
}

interface OpenSnapshot<Name extends 'consensus.raft.snapshot' | 'consensus.replication.snapshot'> {
  readonly index: LogIndex
  readonly span: OpenSpan<Name> | null
}

/** Where log lines about something find their trace. */
export interface TraceIds {
  readonly traceId: string
  readonly spanId: string
}

export class SpanRecorder {
  readonly #options: SpanRecorderOptions
  readonly #proposals = new Map<number, OpenProposal>()
  /** The traces of entries that were proposed elsewhere, oldest first. */
  readonly #traced = new Map<number, EntryTrace>()
  #apply: OpenSpan<'consensus.replication.apply'> | null = null
  #election: { readonly span: OpenSpan<'consensus.raft.election'> | null; readonly term: Term } | null = null
  #taking: OpenSnapshot<'consensus.replication.snapshot'> | null = null
  #fetching: OpenSnapshot<'consensus.raft.snapshot'> | null = null
  #evidence: string | null = null
  #electionIds: TraceIds | null = null
  #snapshotIds: TraceIds | null = null

  constructor(options: SpanRecorderOptions) {
    this.#options = options
    options.links.onTrace = (_from, trace) => this.#remember(trace)
  }

  /** The trace that a line of the log belongs to; null for none. */
  idsFor(event: string): TraceIds | null {
    if (event === 'role changed') return this.#electionIds
    return event.includes('snapshot') ? this.#snapshotIds : null
  }

  proposed(flight: Flight, traces: Traces): void {
    const { sink, links } = this.#options
    const parents = traces.length === 0 ? NO_PARENTS : traceParents(traces)
    const span = sink.begin('consensus.propose', flight.collectedMs, parents)
    if (span === null) return
    const { traceparent } = span
    const replicate =
      this.#options.position().mode === 'raft'
        ? sink.begin('consensus.raft.replicate', flight.proposedMs, [traceparent])
        : null
    const term = flight.term as Term
    const index = flight.index as LogIndex
    if (this.#proposals.size >= TRACED_ENTRIES_MAX) this.#proposals.clear()
    this.#proposals.set(index, { term, span, replicate })
    links.sendTrace({ index, term, traceparent })
  }

  answered(flight: Flight, nowMs: Millis): void {
    const open = this.#proposals.get(flight.index)
    if (open === undefined) return
    this.#proposals.delete(flight.index)
    const { index, requests, bytes, term, appliedMs } = flight
    const committedMs = flight.committedMs === 0 ? appliedMs : flight.committedMs
    open.replicate?.end(
      {
        'consensus.node_id': this.#options.nodeId,
        'consensus.term': term,
        'consensus.log_index': index,
        'consensus.batch_size': requests,
      },
      committedMs,
    )
    open.span.end({ ...this.#proposalAttributes(index, requests, bytes), 'consensus.outcome': 'committed' }, nowMs)
  }

  /** What was under way ends without a known outcome. */
  abandoned(): void {
    const nowMs = this.#options.nowMs()
    for (const [index, { span, replicate, term }] of this.#proposals) {
      const base = {
        'consensus.node_id': this.#options.nodeId,
        'consensus.log_index': index,
        'consensus.batch_size': 0,
      }
      replicate?.end({ ...base, 'consensus.term': term }, nowMs, true)
      span.end({ ...this.#proposalAttributes(index, 0, 0), 'consensus.outcome': 'unknown' }, nowMs, true)
    }
    this.#proposals.clear()
  }

  applying(index: LogIndex): void {
    const parent = this.#parentOf(index)
    if (parent === null) return
    this.#apply = this.#options.sink.begin('consensus.replication.apply', this.#options.nowMs(), [parent])
  }

  applied(index: LogIndex, kind: EntryKind, requests: number): void {
    this.#apply?.end(
      {
        'consensus.node_id': this.#options.nodeId,
        'consensus.log_index': index,
        'consensus.batch_size': requests,
        'consensus.replication.operation_type': kind,
      },
      this.#options.nowMs(),
    )
    this.#apply = null
    this.#traced.delete(index)
  }

  roleChanged(role: Role, term: Term, leader: NodeId | null): void {
    const { sink, nowMs, nodeId } = this.#options
    const election = this.#election
    if (election !== null && (role !== 'candidate' || election.term !== term)) {
      const known = leader === null ? {} : { 'consensus.raft.leader_id': leader }
      election.span?.end(
        {
          'consensus.node_id': nodeId,
          'consensus.term': election.term,
          'consensus.raft.role': ROLE_NAMES[role],
          ...known,
        },
        nowMs(),
        role !== 'leader',
      )
      this.#election = null
    } else if (election === null) this.#electionIds = null
    if (role !== 'candidate' || this.#election !== null) return
    const span = sink.begin('consensus.raft.election', nowMs(), NO_PARENTS)
    this.#election = { span, term }
    this.#electionIds = span
  }

  snapshotBegun(index: LogIndex): void {
    const span = this.#options.sink.begin('consensus.replication.snapshot', this.#options.nowMs(), NO_PARENTS)
    this.#taking = { index, span }
    this.#snapshotIds = span
  }

  snapshotTaken(index: LogIndex, bytes: number): void {
    const taking = this.#taking
    if (taking === null || taking.index !== index) return
    this.#taking = null
    taking.span?.end(
      {
        'consensus.node_id': this.#options.nodeId,
        'consensus.log_index': index,
        'consensus.replication.snapshot_size': bytes,
        'consensus.replication.snapshot_operation': 'taken',
      },
      this.#options.nowMs(),
    )
  }

  snapshotFetching(index: LogIndex, bytes: number): void {
    if (this.#fetching?.index === index) return
    this.#endFetching(bytes, true)
    const span = this.#options.sink.begin('consensus.raft.snapshot', this.#options.nowMs(), NO_PARENTS)
    this.#fetching = { index, span }
    this.#snapshotIds = span
  }

  snapshotRestored(index: LogIndex, bytes: number): void {
    if (this.#fetching?.index === index) this.#endFetching(bytes, false)
  }

  decided(mode: Mode, view: number, sequence: number, requests: number, startedMs: Millis): void {
    const parent = this.#parentOf(sequence)
    const parents = parent === null ? NO_PARENTS : [parent]
    this.#options.sink.begin('consensus.bft.consensus', startedMs, parents)?.end(
      {
        'consensus.node_id': this.#options.nodeId,
        'consensus.hybrid.active_protocol': mode,
        'consensus.view': view,
        'consensus.bft.sequence_number': sequence,
        'consensus.bft.phase': mode === 'hotstuff' ? 'decide' : 'commit',
        'consensus.batch_size': requests,
      },
      this.#options.nowMs(),
    )
  }

  evidence(kind: string): void {
    this.#evidence = kind
  }

  /** The level was weighed again; evidence seen since the last time is what it was weighed for. */
  threat(level: ThreatLevelName, mode: Mode): void {
    const nowMs = this.#options.nowMs()
    const seen = this.#evidence === null ? {} : { 'consensus.evidence_kind': this.#evidence }
    this.#evidence = null
    this.#options.sink.begin('consensus.hybrid.threat_detection', nowMs, NO_PARENTS)?.end(
      {
        'consensus.node_id': this.#options.nodeId,
        'consensus.threat_level': level,
        'consensus.hybrid.active_protocol': mode,
        ...seen,
      },
      nowMs,
    )
  }

  #endFetching(bytes: number, failed: boolean): void {
    const fetching = this.#fetching
    if (fetching === null) return
    this.#fetching = null
    const { nodeId, position, nowMs } = this.#options
    fetching.span?.end(
      {
        'consensus.node_id': nodeId,
        'consensus.term': position().term,
        'consensus.log_index': fetching.index,
        'consensus.replication.snapshot_size': bytes,
      },
      nowMs(),
      failed,
    )
  }

  #proposalAttributes(index: number, requests: number, bytes: number) {
    const { nodeId, protocol, position } = this.#options
    const { mode, epoch, term } = position()
    return {
      'consensus.node_id': nodeId,
      'consensus.protocol': protocol,
      'consensus.epoch': epoch,
      'consensus.log_index': index,
      'consensus.batch_size': requests,
      'consensus.batch_bytes': bytes,
      ...(mode === 'raft' ? { 'consensus.term': term } : {}),
    }
  }

  #parentOf(index: number): TraceParent | null {
    return this.#proposals.get(index)?.span.traceparent ?? this.#traced.get(index)?.traceparent ?? null
  }

  #remember(trace: EntryTrace): void {
    if (this.#traced.size >= TRACED_ENTRIES_MAX) {
      const [oldest] = this.#traced.keys()
      if (oldest !== undefined) this.#traced.delete(oldest)
    }
    this.#traced.set(trace.index, trace)
  }
}

const NO_PARENTS: readonly TraceParent[] = []
