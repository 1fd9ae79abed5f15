/** What a node itself says against its being ready, as far as nothing else here says it: the facts of `/readyz`. */
import type { NotReadyReport } from '../../cluster/self-reports.js'
import type { Evidence } from './evidence.js'
import type { Finding, FindingCode } from './finding.js'

interface Explanation {
  readonly code: FindingCode
  readonly hint: string
}

/** By reason; the others have findings of their own, with numbers from all nodes. */
const EXPLAINED: Readonly<Partial<Record<string, Explanation>>> = {
  loop_delay: { code: 'LoopDelay', hint: 'Something else takes its processor, or the machine stood still.' },
  stalled_disk: { code: 'StalledDisk', hint: 'Its disk does not take writes: look at it, and at what else uses it.' },
  full_disk: {
    code: 'FullDisk',
    hint: 'It goes on by itself with room: free some on its disk, or start it with a larger --disk-quota.',
  },
  diverged: { code: 'Diverged', hint: 'It stops by itself and rebuilds its state at the next start.' },
  epoch_change: { code: 'EpochChange', hint: 'It goes on by itself once the new mode runs.' },
}

export function readinessFindings({ reports }: Evidence): Finding[] {
  return [...reports.values()].flatMap(({ id, notReady }) => notReady.flatMap((report) => findingOf(id, report)))
}

function findingOf(node: string, { reason, message, numbers }: NotReadyReport): Finding[] {
  const explained = EXPLAINED[reason]
  return explained === undefined ? [] : [{ ...explained, node, message: `${node}: ${message}`, numbers }]
}
