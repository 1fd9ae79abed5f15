/**
 * `doctor`: everything that `why` and `/readyz` would say, and what neither looks at: versions, clocks
 * against each other, the disks of local nodes, the context that was used.
 */
import { statfs } from 'node:fs/promises'
import { nodePaths } from '../../cluster/layout.js'
import type { Target } from '../../cluster/target.js'
import type { Connection } from '../connection.js'
import type { Output } from '../printer.js'
import { requireReachable } from '../status-report.js'
import { turnText } from '../turn.js'
import { gatherEvidence } from '../why/evidence.js'
import { consensusFindings } from '../why/findings.js'
import { bad, type Check, good } from './checks.js'
import { type DoctorReport, doctorReports } from './node-reports.js'

/** How far clocks may differ before a leader's stamps are held back (docs/limits.md). */
const CLOCK_MS = 500
const DISK_FREE_BYTES_MIN = 1024 ** 3

export interface ExamineOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Of this program. */
  readonly version: string
}

/** Throws `Unreachable` where no member answers. */
export async function examine({ client, target }: Connection, options: ExamineOptions): Promise<Check[]> {
  const evidence = await gatherEvidence(client, target.dir, options)
  requireReachable(evidence.status)
  const ids = evidence.status.nodes.filter(({ reachable }) => reachable).map(({ id }) => id)
  const reports = await doctorReports(client, ids, options.timeoutMs)
  const findings = consensusFindings(evidence)
  const leader = evidence.leader
  return [
    contextCheck(target, ids.length, evidence.status.nodes.length),
    ...(findings.length === 0 && leader !== null
      ? [
          good(
            'consensus',
            null,
            `${leader.id} leads in ${turnText(evidence.status)}, committed is ${leader.commitIndex}`,
          ),
        ]
      : findings.map(({ code, node, message, hint, numbers }) => bad(code, node, message, hint, numbers))),
    ...[...reports.values()].flatMap(readyChecks),
    ...versionChecks(reports, options.version),
    ...clockChecks(reports),
    ...(await diskChecks(target)),
  ]
}

function contextCheck({ name, clusterFile }: Target, reached: number, members: number): Check {
  return good('context', null, `${name} (${clusterFile}): ${reached} of ${members} members answer`, {
    reached,
    members,
  })
}

function readyChecks({ id, notReady, http }: DoctorReport): Check[] {
  if (notReady.length === 0) return [good('ready', id, http === null ? `${id} is ready` : `${id} is ready (${http})`)]
  return notReady.map(({ reason, message, numbers }) =>
    bad('ready', id, `${id} is not ready: ${message}`, READY_HINTS[reason] ?? 'Its own log says more.', numbers),
  )
}

const READY_HINTS: Readonly<Record<string, string>> = {
  no_leader: 'See what `knhk why` says about the leader.',
  apply_lag: 'Its processor or its disk is slower than the load.',
  loop_delay: 'Something else takes its processor, or the machine stood still.',
  stalled_disk: 'Its disk does not take writes: look at the disk and at what else uses it.',
  full_disk: 'It goes on by itself with room: free some on its disk, or start it with a larger --disk-quota.',
  diverged: 'It stops by itself and rebuilds its state at the next start.',
  damaged: 'It mends itself from a leader; if it does not, replace it: knhk cluster members replace ID.',
  restoring: 'It goes on by itself once the snapshot is loaded.',
  epoch_change: 'It goes on by itself once the new mode runs.',
}

function versionChecks(reports: ReadonlyMap<string, DoctorReport>, own: string): Check[] {
  const versions = new Set([...reports.values()].map(({ version }) => version))
  if (versions.size === 1 && versions.has(own))
    return [good('version', null, `every node runs ${own}, as this program`)]
  return [...reports.values()]
    .filter(({ version }) => version !== own)
    .map(({ id, version }) =>
      bad(
        'version',
        id,
        `${id} runs ${version}, this program is ${own}`,
        'Bring all nodes to one version, one by one.',
      ),
    )
}

/** Against the middle of all clocks: ours may be the wrong one. */
function clockChecks(reports: ReadonlyMap<string, DoctorReport>): Check[] {
  const told = [...reports.values()].flatMap(({ id, clock }) => (clock === null ? [] : [{ id, ...clock }]))
  const sorted = told.map(({ offsetMs }) => offsetMs).sort((a, b) => a - b)
  const middleMs = sorted[Math.floor(sorted.length / 2)] ?? 0
  return told.map(({ id, offsetMs, uncertaintyMs }) => {
    const apartMs = Math.max(0, Math.round(Math.abs(offsetMs - middleMs) - uncertaintyMs))
    const numbers = { offsetMs, apartMs }
    return apartMs <= CLOCK_MS
      ? good('clock', id, `the clock of ${id} is within ${CLOCK_MS} ms of the others`, numbers)
      : bad(
          'clock',
          id,
          `the clock of ${id} is ${apartMs} ms off the others`,
          'Let time synchronisation set it.',
          numbers,
        )
  })
}

/** Of nodes whose files are on this machine. */
async function diskChecks({ dir, configuration }: Target): Promise<Check[]> {
  if (dir === null) return []
  const checks = configuration.members.map(async ({ id }): Promise<Check[]> => {
    const disk = await statfs(nodePaths(dir, id).data).catch(() => null)
    if (disk === null) return []
    const freeBytes = disk.bavail * disk.bsize
    const text = `${Math.floor(freeBytes / 1024 ** 2)} MiB are free for ${id}`
    return [
      freeBytes >= DISK_FREE_BYTES_MIN
        ? good('disk', id, text, { freeBytes })
        : bad(
            'disk',
            id,
            text,
            'Make room: below its --disk-reserve a node accepts no proposals, and one that cannot write at all stops.',
            { freeBytes },
          ),
    ]
  })
  return (await Promise.all(checks)).flat()
}

export function checksOutput(checks: readonly Check[]): Output {
  const failed = checks.filter(({ ok }) => !ok)
  return {
    value: { healthy: failed.length === 0, checks },
    items: checks,
    ids: failed.map(({ check }) => check),
    text: ({ paint, fold }) => {
      const lines = checks.map(({ check, ok, message, hint }) => {
        const verdict = ok ? 'ok ' : 'bad'
        const head = fold(`${verdict}  ${check}: ${message}`).replace(verdict, paint(ok ? 'green' : 'red', verdict))
        return hint === '' ? head : `${head}\n${paint('dim', fold(hint, '     '))}`
      })
      const verdict = failed.length === 0 ? 'all is well' : `${failed.length} of ${checks.length} checks failed`
      return `${lines.join('\n')}\n${verdict}`
    },
  }
}
