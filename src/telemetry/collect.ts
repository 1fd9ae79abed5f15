/** Puts what was counted and what the node says of itself together into the metrics of the registry. */
import type { Role } from '../consensus/core.js'
import type { Millis, NodeId } from '../consensus/types.js'
import type { NodeFacts } from './facts.js'
import type { LoopDelay } from './loop-delay.js'
import { type Attributes, MEMBERS } from './names.js'
import type { NotReady } from './readiness.js'
import type { NodeRecorder } from './recorder.js'
import { type Series, SeriesList } from './series.js'

export interface Collected {
  readonly nodeId: NodeId
  readonly facts: NodeFacts
  readonly recorder: NodeRecorder
  readonly loopDelay: LoopDelay
  readonly notReady: readonly NotReady[]
  /** Operations per second. */
  readonly throughput: number
  readonly nowMs: Millis
}

const ROLES: Readonly<Record<Attributes['consensus.raft.role'], Role>> = {
  follower: 'follower',
  pre_candidate: 'preCandidate',
  candidate: 'candidate',
  leader: 'leader',
  learner: 'learner',
}

export function collectSeries(collected: Collected): Series[] {
  const list = new SeriesList(collected.nodeId)
  addProposals(list, collected)
  addLeadership(list, collected)
  addMisbehaviour(list, collected)
  addStorage(list, collected)
  addProcess(list, collected)
  return list.finish()
}

function addProposals(list: SeriesList, { recorder, facts, throughput }: Collected): void {
  for (const outcome of MEMBERS['consensus.outcome']) {
    list.add('consensus.proposals.total', recorder.outcomes[outcome], { 'consensus.outcome': outcome })
  }
  list.add('consensus.proposals.submitted.total', recorder.submitted, {})
  list.add('consensus.latency', recorder.latency.value, {})
  for (const phase of MEMBERS['consensus.phase']) {
    list.add('consensus.phase.latency', recorder.phases[phase].value, { 'consensus.phase': phase })
  }
  list.add('consensus.throughput', throughput, {})
  list.add('consensus.batch.size', recorder.batchSize.value, {})
  for (const queue of MEMBERS['consensus.queue']) {
    list.add('consensus.queue.depth', facts.queues[queue], { 'consensus.queue': queue })
  }
}

function addLeadership(list: SeriesList, { recorder, facts }: Collected): void {
  const { status } = facts
  list.add('consensus.raft.elections.total', recorder.elections, {})
  list.add('consensus.leader.changes.total', recorder.leaderChanges, {})
  for (const cause of MEMBERS['consensus.view_change_cause']) {
    list.add('consensus.view.changes.total', recorder.viewChanges[cause], { 'consensus.view_change_cause': cause })
  }
  list.add('consensus.leader.known', status.leader === null ? 0 : 1, {})
  list.add('consensus.leader.silence', facts.leaderSilenceMs, {})
  for (const role of MEMBERS['consensus.raft.role']) {
    list.add('consensus.role', status.role === ROLES[role] ? 1 : 0, { 'consensus.raft.role': role })
  }
  list.add('consensus.term.current', status.term, {})
  list.add('consensus.view.current', status.view ?? status.round ?? 0, {})
  list.add('consensus.epoch.current', status.epoch, {})
  for (const mode of MEMBERS['consensus.hybrid.active_protocol']) {
    list.add('consensus.mode', status.mode === mode ? 1 : 0, { 'consensus.hybrid.active_protocol': mode })
  }
}

function addMisbehaviour(list: SeriesList, { recorder }: Collected): void {
  // One series that is there from the start, so that an alert can see the first increase.
  if (!recorder.byzantineFailures.has('other')) {
    list.add('consensus.bft.byzantine_failures.total', 0, { 'consensus.evidence_kind': 'other' })
  }
  for (const [kind, count] of recorder.byzantineFailures) {
    list.add('consensus.bft.byzantine_failures.total', count, { 'consensus.evidence_kind': kind })
  }
  for (const mode of MEMBERS['consensus.hybrid.active_protocol']) {
    const attributes = { 'consensus.hybrid.active_protocol': mode }
    list.add('consensus.hybrid.protocol_switches.total', recorder.switches[mode], attributes)
  }
  list.add('consensus.threat.level', MEMBERS['consensus.threat_level'].indexOf(recorder.threatLevel), {})
  list.add('consensus.crypto.wait', recorder.cryptoWait.value, {})
  list.add('consensus.evidence.detection', recorder.detection.value, {})
  list.add('consensus.evidence.storage', recorder.evidenceStorage.value, {})
  list.add('consensus.hybrid.switch.latency', recorder.switchLatency.value, {})
}

function addStorage(list: SeriesList, { recorder, facts, nowMs }: Collected): void {
  const { status, appliedIndex, newestSnapshot } = facts
  list.add('consensus.log.last_index', status.lastIndex, {})
  list.add('consensus.log.first_index', status.firstIndex, {})
  list.add('consensus.commit.index', status.commitIndex, {})
  list.add('consensus.applied.index', appliedIndex, {})
  list.add('consensus.apply.lag', Math.max(0, status.commitIndex - appliedIndex), {})
  list.add('consensus.log.size', facts.logBytes, {})
  list.add('consensus.disk.used', facts.disk?.usedBytes ?? 0, {})
  list.add('consensus.disk.quota', facts.disk?.quotaBytes ?? 0, {})
  list.add('consensus.disk.free', facts.disk?.freeBytes ?? 0, {})
  list.add('consensus.disk.reserve', facts.disk?.reserveBytes ?? 0, {})
  list.add('consensus.disk.full', facts.disk?.isFull === true ? 1 : 0, {})
  list.add('consensus.fsync.latency', recorder.fsync.value, {})
  list.add('consensus.fsync.pending', recorder.pendingWriteMs(nowMs), {})
  list.add('consensus.state.unflushed', facts.unflushedBytes, {})
  list.add('consensus.digest.backlog', facts.digestBacklogBytes, {})
  list.add('consensus.sessions', facts.sessions, {})
  for (const operation of MEMBERS['consensus.replication.snapshot_operation']) {
    const attributes = { 'consensus.replication.snapshot_operation': operation }
    list.add('consensus.snapshots.total', recorder.snapshots[operation], attributes)
  }
  list.add('consensus.snapshot.index', newestSnapshot?.index ?? 0, {})
  list.add('consensus.snapshot.size', newestSnapshot?.bytes ?? 0, {})
  list.add('consensus.snapshot.remaining', facts.snapshotBytesMissing, {})
}

function addProcess(list: SeriesList, { recorder, facts, loopDelay, notReady }: Collected): void {
  list.add('consensus.loop.delay', loopDelay.histogram.value, {})
  list.add('consensus.loop.turn', recorder.turns.value, {})
  list.add('consensus.pauses.total', recorder.pauses, {})
  list.add('consensus.peers.connected', facts.peers.filter(({ connected }) => connected).length, {})
  for (const { id, rttMs } of facts.peers) {
    if (rttMs !== null) list.add('consensus.peer.rtt', rttMs, { 'consensus.peer_id': id })
  }
  list.add('consensus.clients.connected', facts.clients, {})
  list.add('consensus.ready', notReady.length === 0 ? 1 : 0, {})
  for (const reason of MEMBERS['consensus.not_ready_reason']) {
    const holds = notReady.some((one) => one.reason === reason)
    list.add('consensus.not_ready', holds ? 1 : 0, { 'consensus.not_ready_reason': reason })
  }
}
