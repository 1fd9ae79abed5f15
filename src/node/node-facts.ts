/** What telemetry asks of a node when somebody looks. */
import type { Millis } from '../consensus/types.js'
import type { NodeFacts } from '../telemetry/facts.js'
import type { NodeParts } from './parts.js'

/** What only the loop knows. */
interface LoopFacts {
  readonly leaderSilenceMs: Millis
  readonly inbox: number
  readonly clients: number
}

export function nodeFacts(parts: NodeParts, { leaderSilenceMs, inbox, clients }: LoopFacts): NodeFacts {
  const { core, execution, intake, writer, reads, verification, transfer, disk } = parts
  const { peers, log, state, snapshots } = parts.ports
  const { machine } = execution
  const status = core.status()
  const newest = snapshots.list().at(-1)
  const others = status.membership.membership.members.filter(({ id }) => id !== parts.options.self)
  return {
    status,
    appliedIndex: execution.appliedIndex,
    operationsApplied: machine.operationsApplied,
    restoring: execution.isRestoring,
    leaderSilenceMs,
    queues: {
      ...intake.depths(),
      writes: writer.queued,
      reads: reads.size,
      messages: inbox + (verification?.waiting ?? 0),
    },
    logBytes: log.bytesOnDisk,
    unflushedBytes: state.openBytes + state.unflushedBytes,
    digestBacklogBytes: execution.digests.waitingBytes,
    sessions: machine.sessions.size,
    clients,
    peers: others.map(({ id }) => ({ id, connected: peers.isConnected(id), rttMs: peers.rttMs(id) })),
    newestSnapshot: newest === undefined ? null : { index: newest.base.index, bytes: newest.bytes },
    snapshotBytesMissing: transfer.bytesMissing,
    disk: disk.facts,
  }
}
