/**
 * `log compact`: every named node takes a snapshot and drops from its log what that covers, trailing
 * entries included. A member that is behind then catches up by snapshot instead of by entries.
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { KnhkError } from '../../base/error.js'
import type { CallOptions, ClusterStatus, NodeStatus } from '../../client/api.js'
import { requireMember } from '../../cluster/data-directories.js'
import { nodePaths } from '../../cluster/layout.js'
import type { Connection } from '../connection.js'
import { isByzantine } from '../members/look.js'
import type { Output } from '../printer.js'

const POLL_MS = 50
/** How long the log may take to let go of its segments after the snapshot is there. */
const SETTLE_MS = 2_000

export interface CompactedLog {
  readonly node: string
  /** Null where the node did not answer. */
  readonly firstIndexBefore: number | null
  readonly firstIndex: number | null
  readonly lastIndex: number | null
  /** Index of the snapshot that covers what was dropped; null for a dry run. */
  readonly snapshotIndex: number | null
  /** Byzantine protocols: nothing can go yet; the log is shortened at the checkpoint at this index. Null otherwise. */
  readonly compactsAt: number | null
  readonly entriesDropped: number | null
  /** Bytes of log files that went; null where they are not on this machine. */
  readonly bytesFreed: number | null
  readonly errorCode: string | null
}

export interface CompactReport {
  readonly compacted: boolean
  readonly nodes: readonly CompactedLog[]
}

export interface CompactScene {
  readonly nodes: readonly NodeStatus[]
  readonly isByzantine: boolean
  /** What is worth knowing before it is done. */
  readonly warnings: readonly string[]
}

/** `node` is an id or `all`. Throws `NotFound` for an unknown id, `Unreachable` where no named node answers. */
export async function lookBefore(
  { client, target }: Connection,
  node: string,
  call: CallOptions,
): Promise<CompactScene> {
  if (node !== 'all') requireMember(target.configuration, node)
  const status = await client.clusterStatus(call)
  const nodes = status.nodes.filter(({ id }) => node === 'all' || id === node)
  if (!nodes.some(({ reachable }) => reachable)) {
    throw new KnhkError('Unreachable', `${node === 'all' ? 'no node' : node} could be reached`)
  }
  return { nodes, isByzantine: isByzantine(status.mode), warnings: warningsOf(status) }
}

function warningsOf({ nodes }: ClusterStatus): string[] {
  const away = nodes.filter(({ reachable }) => !reachable).map(({ id }) => id)
  if (away.length === 0) return []
  return [`${away.join(', ')} ${away.length === 1 ? 'does' : 'do'} not answer and will need the whole snapshot later`]
}

export function plannedCompaction({ nodes, isByzantine }: CompactScene): CompactReport {
  return {
    compacted: false,
    nodes: nodes.map(({ id, firstIndex, lastIndex, appliedIndex, error }) => {
      // A log that others have to believe begins behind a certified checkpoint: only the node knows which it has.
      const upTo = isByzantine ? null : appliedIndex
      return {
        node: id,
        firstIndexBefore: firstIndex,
        firstIndex: upTo === null ? null : upTo + 1,
        lastIndex,
        snapshotIndex: null,
        compactsAt: null,
        entriesDropped: upTo === null || firstIndex === null ? null : Math.max(0, upTo + 1 - firstIndex),
        bytesFreed: null,
        errorCode: error?.code ?? null,
      }
    }),
  }
}

/** A node that does not answer is in the report. Throws `NotPermitted`, `Aborted`. */
export async function compactLogs(
  connection: Connection,
  { nodes }: CompactScene,
  call: CallOptions,
): Promise<CompactReport> {
  const done: CompactedLog[] = []
  // One after the other: writing snapshots everywhere at once would slow down all of a quorum.
  for (const node of nodes) done.push(await compactOne(connection, node, call))
  return { compacted: true, nodes: done }
}

async function compactOne(connection: Connection, before: NodeStatus, call: CallOptions): Promise<CompactedLog> {
  const { client, target } = connection
  const node = before.id
  const unchanged = {
    node,
    firstIndexBefore: before.firstIndex,
    firstIndex: before.firstIndex,
    lastIndex: before.lastIndex,
    snapshotIndex: null,
    compactsAt: null,
    entriesDropped: null,
    bytesFreed: null,
  }
  if (!before.reachable) return { ...unchanged, errorCode: before.error?.code ?? 'Unreachable' }
  try {
    const bytesBefore = await logBytes(target.dir, node)
    const { index, detail } = await client.order({ kind: 'compactLog' }, { ...call, node })
    if (index === null) return { ...unchanged, compactsAt: checkpointIn(detail), entriesDropped: 0, errorCode: null }
    const after = await settled(connection, node, index, call)
    const bytesAfter = await logBytes(target.dir, node)
    return {
      node,
      firstIndexBefore: before.firstIndex,
      firstIndex: after.firstIndex,
      lastIndex: after.lastIndex,
      snapshotIndex: index,
      compactsAt: null,
      entriesDropped: (after.firstIndex ?? 0) - (before.firstIndex ?? 0),
      bytesFreed: bytesBefore === null || bytesAfter === null ? null : Math.max(0, bytesBefore - bytesAfter),
      errorCode: null,
    }
  } catch (error) {
    if (!(error instanceof KnhkError) || error.code === 'NotPermitted' || error.code === 'Aborted') throw error
    return { ...unchanged, errorCode: error.code }
  }
}

function checkpointIn(detail: Readonly<Record<string, unknown>> | null): number | null {
  return typeof detail?.compactsAt === 'number' ? detail.compactsAt : null
}

/** The order is answered when the snapshot is there; the log follows a moment later, unless a peer still reads it. */
async function settled(
  { client }: Connection,
  node: string,
  snapshotIndex: number | null,
  call: CallOptions,
): Promise<{ firstIndex: number | null; lastIndex: number | null }> {
  const untilMs = performance.now() + SETTLE_MS
  for (;;) {
    const { value } = await client.query('node.status', {}, { ...call, node, read: 'local' })
    const status = value as { firstIndex: number | null; lastIndex: number | null }
    if ((status.firstIndex ?? 0) > (snapshotIndex ?? 0) || performance.now() > untilMs) return status
    await delay(POLL_MS, undefined, call.signal === undefined ? {} : { signal: call.signal })
  }
}

/** Null where the log is not on this machine. */
async function logBytes(dir: string | null, node: string): Promise<number | null> {
  if (dir === null) return null
  const directory = join(nodePaths(dir, node).data, 'log')
  try {
    const sizes = await Promise.all(
      (await readdir(directory)).map((name) =>
        stat(join(directory, name)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    )
    return sizes.reduce((sum, size) => sum + size, 0)
  } catch {
    return null
  }
}

export function compactOutput(report: CompactReport): Output {
  return {
    value: report,
    items: report.nodes,
    ids: report.nodes.map(({ node }) => node),
    text: ({ table }) =>
      table(
        [
          'node',
          'first before',
          report.compacted ? 'first now' : 'first then',
          'last',
          'entries',
          'compacts at',
          'bytes freed',
          'error',
        ],
        report.nodes.map((one) => [
          one.node,
          one.firstIndexBefore,
          one.firstIndex,
          one.lastIndex,
          one.entriesDropped,
          one.compactsAt,
          one.bytesFreed,
          one.errorCode,
        ]),
      ),
  }
}
