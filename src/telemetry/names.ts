/**
 * Names and types of everything that telemetry emits. Made from registry/ by `npm run generate:telemetry`: do
 * not edit. Reference: the registry itself, which Weaver reads.
 */

/** Values of attributes by name. */
export interface Attributes {
  readonly 'consensus.protocol': 'raft' | 'pbft' | 'hotstuff' | 'hybrid'
  readonly 'consensus.node_id': string
  readonly 'consensus.peer_id': string
  readonly 'consensus.epoch': number
  readonly 'consensus.term': number
  readonly 'consensus.view': number
  readonly 'consensus.log_index': number
  readonly 'consensus.batch_size': number
  readonly 'consensus.batch_bytes': number
  readonly 'consensus.outcome': 'committed' | 'rejected' | 'unknown'
  readonly 'consensus.phase': 'collect' | 'store' | 'commit' | 'apply' | 'reply'
  readonly 'consensus.queue': 'requests' | 'slots' | 'writes' | 'reads' | 'messages'
  readonly 'consensus.view_change_cause': 'timeout' | 'transfer' | 'suspicion' | 'mode'
  readonly 'consensus.threat_level': 'none' | 'low' | 'medium' | 'high' | 'critical'
  readonly 'consensus.evidence_kind': string
  readonly 'consensus.not_ready_reason':
    | 'no_leader'
    | 'apply_lag'
    | 'loop_delay'
    | 'stalled_disk'
    | 'full_disk'
    | 'diverged'
    | 'damaged'
    | 'restoring'
    | 'epoch_change'
  readonly 'consensus.raft.role': 'follower' | 'pre_candidate' | 'candidate' | 'leader' | 'learner'
  readonly 'consensus.raft.leader_id': string
  readonly 'consensus.bft.phase': 'prepare' | 'pre_commit' | 'commit' | 'decide'
  readonly 'consensus.bft.sequence_number': number
  readonly 'consensus.hybrid.active_protocol': 'raft' | 'pbft' | 'hotstuff'
  readonly 'consensus.replication.operation_type': 'data' | 'membership' | 'mode' | 'evidence' | 'empty'
  readonly 'consensus.replication.snapshot_operation': 'taken' | 'received' | 'restored'
  readonly 'consensus.replication.snapshot_size': number
  readonly 'service.name': string
  readonly 'service.version': string
  readonly 'service.instance.id': string
  readonly 'telemetry.sdk.name': string
  readonly 'telemetry.sdk.language': string
  readonly 'telemetry.sdk.version': string
}

/** The values that an enumerated attribute can have, in the order of the registry. */
export const MEMBERS = {
  'consensus.protocol': ['raft', 'pbft', 'hotstuff', 'hybrid'],
  'consensus.outcome': ['committed', 'rejected', 'unknown'],
  'consensus.phase': ['collect', 'store', 'commit', 'apply', 'reply'],
  'consensus.queue': ['requests', 'slots', 'writes', 'reads', 'messages'],
  'consensus.view_change_cause': ['timeout', 'transfer', 'suspicion', 'mode'],
  'consensus.threat_level': ['none', 'low', 'medium', 'high', 'critical'],
  'consensus.not_ready_reason': [
    'no_leader',
    'apply_lag',
    'loop_delay',
    'stalled_disk',
    'full_disk',
    'diverged',
    'damaged',
    'restoring',
    'epoch_change',
  ],
  'consensus.raft.role': ['follower', 'pre_candidate', 'candidate', 'leader', 'learner'],
  'consensus.bft.phase': ['prepare', 'pre_commit', 'commit', 'decide'],
  'consensus.hybrid.active_protocol': ['raft', 'pbft', 'hotstuff'],
  'consensus.replication.operation_type': ['data', 'membership', 'mode', 'evidence', 'empty'],
  'consensus.replication.snapshot_operation': ['taken', 'received', 'restored'],
} as const

/** What each span carries. */
export interface SpanAttributes {
  readonly 'consensus.propose': Pick<
    Attributes,
    | 'consensus.node_id'
    | 'consensus.protocol'
    | 'consensus.epoch'
    | 'consensus.log_index'
    | 'consensus.batch_size'
    | 'consensus.batch_bytes'
    | 'consensus.outcome'
  > &
    Partial<Pick<Attributes, 'consensus.term'>>
  readonly 'consensus.raft.election': Pick<Attributes, 'consensus.node_id' | 'consensus.term' | 'consensus.raft.role'> &
    Partial<Pick<Attributes, 'consensus.raft.leader_id'>>
  readonly 'consensus.raft.replicate': Pick<
    Attributes,
    'consensus.node_id' | 'consensus.term' | 'consensus.log_index' | 'consensus.batch_size'
  >
  readonly 'consensus.raft.snapshot': Pick<
    Attributes,
    'consensus.node_id' | 'consensus.term' | 'consensus.log_index' | 'consensus.replication.snapshot_size'
  >
  readonly 'consensus.bft.consensus': Pick<
    Attributes,
    | 'consensus.node_id'
    | 'consensus.hybrid.active_protocol'
    | 'consensus.view'
    | 'consensus.bft.sequence_number'
    | 'consensus.bft.phase'
    | 'consensus.batch_size'
  >
  readonly 'consensus.hybrid.threat_detection': Pick<
    Attributes,
    'consensus.node_id' | 'consensus.threat_level' | 'consensus.hybrid.active_protocol'
  > &
    Partial<Pick<Attributes, 'consensus.evidence_kind'>>
  readonly 'consensus.replication.apply': Pick<
    Attributes,
    'consensus.node_id' | 'consensus.log_index' | 'consensus.batch_size' | 'consensus.replication.operation_type'
  >
  readonly 'consensus.replication.snapshot': Pick<
    Attributes,
    | 'consensus.node_id'
    | 'consensus.log_index'
    | 'consensus.replication.snapshot_size'
    | 'consensus.replication.snapshot_operation'
  >
}

export type SpanName = keyof SpanAttributes

export const METRICS = {
  'consensus.proposals.total': {
    instrument: 'counter',
    unit: '{proposal}',
    brief: 'Requests of clients by how they ended on this node.',
  },
  'consensus.proposals.submitted.total': {
    instrument: 'counter',
    unit: '{proposal}',
    brief: 'Requests of clients that reached this node.',
  },
  'consensus.latency': {
    instrument: 'histogram',
    unit: 'ms',
    brief: 'From the first request of a batch to the answers, once for each request.',
  },
  'consensus.phase.latency': {
    instrument: 'histogram',
    unit: 'ms',
    brief: 'The parts of that way, once for each batch.',
  },
  'consensus.throughput': {
    instrument: 'gauge',
    unit: '{operation}/s',
    brief: 'Operations applied per second, over the last ten seconds.',
  },
  'consensus.batch.size': {
    instrument: 'histogram',
    unit: '{request}',
    brief: 'Requests in an entry that this node proposed.',
  },
  'consensus.queue.depth': { instrument: 'gauge', unit: '{item}', brief: 'What waits in the bounded queues.' },
  'consensus.raft.elections.total': {
    instrument: 'counter',
    unit: '{election}',
    brief: 'Elections that this node stood in.',
  },
  'consensus.leader.changes.total': {
    instrument: 'counter',
    unit: '{change}',
    brief: 'Times that this node saw another leader, or none.',
  },
  'consensus.view.changes.total': {
    instrument: 'counter',
    unit: '{change}',
    brief: 'Changes of the view with a new primary, by cause; Raft has none.',
  },
  'consensus.leader.known': { instrument: 'gauge', unit: '1', brief: '1 where this node knows who leads.' },
  'consensus.leader.silence': {
    instrument: 'gauge',
    unit: 'ms',
    brief: 'How long ago this node heard from a leader; 0 on the leader.',
  },
  'consensus.role': { instrument: 'gauge', unit: '1', brief: '1 for the role that the node has.' },
  'consensus.term.current': { instrument: 'gauge', unit: '{term}', brief: 'The term.' },
  'consensus.view.current': {
    instrument: 'gauge',
    unit: '{view}',
    brief: 'The view or round; 0 where the protocol has none.',
  },
  'consensus.epoch.current': { instrument: 'gauge', unit: '{epoch}', brief: 'The epoch.' },
  'consensus.mode': { instrument: 'gauge', unit: '1', brief: '1 for the protocol that decides right now.' },
  'consensus.bft.byzantine_failures.total': {
    instrument: 'counter',
    unit: '{failure}',
    brief: 'Misbehaviour of other nodes that was seen, by kind.',
  },
  'consensus.hybrid.protocol_switches.total': {
    instrument: 'counter',
    unit: '{switch}',
    brief: 'Changes of the mode, by the protocol that took over.',
  },
  'consensus.threat.level': {
    instrument: 'gauge',
    unit: '1',
    brief: 'The threat level: 0 none, 1 low, 2 medium, 3 high, 4 critical.',
  },
  'consensus.crypto.wait': {
    instrument: 'histogram',
    unit: 'ms',
    brief: 'How long a message waited for the verification of its signatures.',
  },
  'consensus.evidence.detection': {
    instrument: 'histogram',
    unit: 'ms',
    brief: 'From the arrival of the message that proved a lie to the evidence, its signatures checked.',
  },
  'consensus.evidence.storage': {
    instrument: 'histogram',
    unit: 'ms',
    brief: 'From the evidence to its place on the disk.',
  },
  'consensus.hybrid.switch.latency': {
    instrument: 'histogram',
    unit: 'ms',
    brief: 'From the PANIC of this node, or the end of the epoch, to the first decision of the next one.',
  },
  'consensus.log.last_index': { instrument: 'gauge', unit: '{entry}', brief: 'Index of the last entry of the log.' },
  'consensus.log.first_index': {
    instrument: 'gauge',
    unit: '{entry}',
    brief: 'Index of the first entry that the log still holds.',
  },
  'consensus.commit.index': { instrument: 'gauge', unit: '{entry}', brief: 'Index up to which entries are committed.' },
  'consensus.applied.index': { instrument: 'gauge', unit: '{entry}', brief: 'Index up to which entries are applied.' },
  'consensus.apply.lag': { instrument: 'gauge', unit: '{entry}', brief: 'Committed entries that are not applied yet.' },
  'consensus.log.size': { instrument: 'gauge', unit: 'By', brief: 'Bytes of the log on disk.' },
  'consensus.disk.used': {
    instrument: 'gauge',
    unit: 'By',
    brief: 'Bytes that the data directory takes, as of the last look.',
  },
  'consensus.disk.quota': {
    instrument: 'gauge',
    unit: 'By',
    brief: 'Bytes that the data directory may take; 0 where there is no quota.',
  },
  'consensus.disk.free': {
    instrument: 'gauge',
    unit: 'By',
    brief: 'Bytes that are free on its disk, as of the last look.',
  },
  'consensus.disk.reserve': { instrument: 'gauge', unit: 'By', brief: 'Bytes that have to stay free on its disk.' },
  'consensus.disk.full': {
    instrument: 'gauge',
    unit: '1',
    brief: '1 while a limit of the disk is reached and no proposals are accepted, 0 otherwise.',
  },
  'consensus.fsync.latency': {
    instrument: 'histogram',
    unit: 'ms',
    brief: 'How long a write of the log took, until it was durable.',
  },
  'consensus.fsync.pending': {
    instrument: 'gauge',
    unit: 'ms',
    brief: 'How long the write that is under way has taken so far; 0 where none is.',
  },
  'consensus.state.unflushed': {
    instrument: 'gauge',
    unit: 'By',
    brief: 'Changes of the state that are not written behind yet.',
  },
  'consensus.digest.backlog': {
    instrument: 'gauge',
    unit: 'By',
    brief: 'Changes that have not reached the digests yet.',
  },
  'consensus.sessions': { instrument: 'gauge', unit: '{session}', brief: 'Open sessions of clients.' },
  'consensus.snapshots.total': {
    instrument: 'counter',
    unit: '{snapshot}',
    brief: 'Snapshots by what happened with them.',
  },
  'consensus.snapshot.index': {
    instrument: 'gauge',
    unit: '{entry}',
    brief: 'Index of the newest snapshot; 0 where there is none.',
  },
  'consensus.snapshot.size': { instrument: 'gauge', unit: 'By', brief: 'Bytes of the newest snapshot.' },
  'consensus.snapshot.remaining': {
    instrument: 'gauge',
    unit: 'By',
    brief: 'Bytes of the snapshot on its way here that are still missing; 0 where none is.',
  },
  'consensus.loop.delay': {
    instrument: 'histogram',
    unit: 'ms',
    brief: 'How late a timer of the process fires, looked at ten times a second.',
  },
  'consensus.loop.turn': { instrument: 'histogram', unit: 'ms', brief: 'How long a turn of the loop took.' },
  'consensus.pauses.total': {
    instrument: 'counter',
    unit: '{pause}',
    brief: 'Times that the process stood still for longer than an election time-out.',
  },
  'consensus.peers.connected': { instrument: 'gauge', unit: '{peer}', brief: 'Members that this node has a link to.' },
  'consensus.peer.rtt': { instrument: 'gauge', unit: 'ms', brief: 'Round-trip time to a member.' },
  'consensus.clients.connected': { instrument: 'gauge', unit: '{connection}', brief: 'Connections of clients.' },
  'consensus.ready': { instrument: 'gauge', unit: '1', brief: '1 where the node is ready.' },
  'consensus.not_ready': {
    instrument: 'gauge',
    unit: '1',
    brief: '1 for each reason that keeps the node from being ready.',
  },
} as const

export type MetricName = keyof typeof METRICS

/** What each data point carries. */
export interface MetricAttributes {
  readonly 'consensus.proposals.total': Pick<Attributes, 'consensus.node_id' | 'consensus.outcome'>
  readonly 'consensus.proposals.submitted.total': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.latency': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.phase.latency': Pick<Attributes, 'consensus.node_id' | 'consensus.phase'>
  readonly 'consensus.throughput': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.batch.size': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.queue.depth': Pick<Attributes, 'consensus.node_id' | 'consensus.queue'>
  readonly 'consensus.raft.elections.total': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.leader.changes.total': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.view.changes.total': Pick<Attributes, 'consensus.node_id' | 'consensus.view_change_cause'>
  readonly 'consensus.leader.known': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.leader.silence': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.role': Pick<Attributes, 'consensus.node_id' | 'consensus.raft.role'>
  readonly 'consensus.term.current': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.view.current': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.epoch.current': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.mode': Pick<Attributes, 'consensus.node_id' | 'consensus.hybrid.active_protocol'>
  readonly 'consensus.bft.byzantine_failures.total': Pick<Attributes, 'consensus.node_id' | 'consensus.evidence_kind'>
  readonly 'consensus.hybrid.protocol_switches.total': Pick<
    Attributes,
    'consensus.node_id' | 'consensus.hybrid.active_protocol'
  >
  readonly 'consensus.threat.level': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.crypto.wait': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.evidence.detection': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.evidence.storage': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.hybrid.switch.latency': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.log.last_index': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.log.first_index': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.commit.index': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.applied.index': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.apply.lag': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.log.size': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.disk.used': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.disk.quota': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.disk.free': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.disk.reserve': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.disk.full': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.fsync.latency': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.fsync.pending': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.state.unflushed': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.digest.backlog': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.sessions': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.snapshots.total': Pick<
    Attributes,
    'consensus.node_id' | 'consensus.replication.snapshot_operation'
  >
  readonly 'consensus.snapshot.index': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.snapshot.size': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.snapshot.remaining': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.loop.delay': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.loop.turn': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.pauses.total': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.peers.connected': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.peer.rtt': Pick<Attributes, 'consensus.node_id' | 'consensus.peer_id'>
  readonly 'consensus.clients.connected': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.ready': Pick<Attributes, 'consensus.node_id'>
  readonly 'consensus.not_ready': Pick<Attributes, 'consensus.node_id' | 'consensus.not_ready_reason'>
}
