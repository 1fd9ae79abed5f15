/**
 * What the commands that change the members share: they show every step with its quorum arithmetic, ask
 * before anybody leaves, and carry the change out. On the directory of a local cluster they take turns
 * with `up` and `down`.
 */
import { join } from 'node:path'
import { KnhkError } from '../../base/error.js'
import type { ChangeStep, MemberChange } from '../../cluster/change-goals.js'
import type { LocalMembers } from '../../cluster/local-members.js'
import type { MembersView, Patience } from '../../cluster/members.js'
import type { StoppedNode } from '../../cluster/stop-local.js'
import type { Target } from '../../cluster/target.js'
import { logIndex } from '../../consensus/types.js'
import { ClusterCommand } from '../cluster-command.js'
import { confirm } from '../confirm.js'
import type { Connection } from '../connection.js'
import { requireReachable } from '../status-report.js'
import type { AddedReport, ChangeReport, RemovedReport } from './change-report.js'

export interface ChangeFlags {
  readonly timeout: number
  readonly 'dry-run': boolean
  readonly yes?: boolean
  readonly dir?: string | undefined
  readonly context?: string | undefined
  readonly cluster?: string | undefined
  readonly key?: string | undefined
  readonly endpoints?: string | undefined
}

/** Where the change is planned. */
export interface ChangeScene {
  readonly connection: Connection
  /** Null where the nodes are not those of a directory on this machine. */
  readonly local: LocalMembers | null
  readonly view: MembersView
  /** Ids of members now and before, as far as this machine knows. */
  readonly known: ReadonlySet<string>
}

export interface ChangePlan {
  readonly change: MemberChange
  /** Index of the configuration that it was planned against; null for whatever is in force. */
  readonly planned: number | null
  readonly wait: boolean
}

interface ChangeWork {
  readonly flags: ChangeFlags
  readonly patience: Patience
  readonly startedMs: number
  readonly stopProgress: () => void
}

export abstract class MemberCommand extends ClusterCommand {
  /** Looks at the cluster, takes the change from `plan`, and shows it, or carries it out. */
  protected async changeMembers(
    flags: ChangeFlags,
    plan: (scene: ChangeScene) => ChangePlan | Promise<ChangePlan>,
  ): Promise<void> {
    const startedMs = performance.now()
    const connection = await this.connect(flags)
    const local = await this.localMembers(connection.target)
    const progress = await this.progress('looking at the members')
    const patience: Patience = {
      expiresAtMs: startedMs + flags.timeout,
      signal: this.signal,
      onProgress: (text) => progress.update(text),
    }
    const work = async () => {
      const scene = await this.scene(connection, local, patience)
      return this.#change(scene, await plan(scene), { flags, patience, startedMs, stopProgress: () => progress.stop() })
    }
    try {
      if (local === null || flags['dry-run']) await work()
      else {
        const [{ withLock }, { clusterPaths }] = await Promise.all([
          import('../../cluster/lock.js'),
          import('../../cluster/layout.js'),
        ])
        await withLock(clusterPaths(local.dir).lock, { timeoutMs: flags.timeout, signal: this.signal }, work)
      }
    } finally {
      progress.stop()
    }
  }

  protected async scene(connection: Connection, local: LocalMembers | null, patience: Patience): Promise<ChangeScene> {
    const { readMembers, requireLeader } = await import('../../cluster/members.js')
    requireReachable(await connection.client.clusterStatus({ signal: this.signal }))
    await requireLeader(connection.client, patience)
    const { genesis, members } = connection.target.configuration
    const known = local === null ? new Set<string>([...genesis, ...members].map(({ id }) => id)) : await local.usedIds()
    return { connection, local, known, view: await readMembers(connection.client, patience) }
  }

  /** Null where this is no directory with nodes in it. */
  protected async localMembers({ dir, configuration }: Target): Promise<LocalMembers | null> {
    if (dir === null) return null
    const { LocalMembers } = await import('../../cluster/local-members.js')
    const local = new LocalMembers(dir, [process.execPath, join(this.config.root, 'bin', 'run.js')])
    const present = await Promise.all(configuration.members.map(({ id }) => local.has(id)))
    return present.includes(true) ? local : null
  }

  async #change(scene: ChangeScene, plan: ChangePlan, work: ChangeWork): Promise<void> {
    const { connection, local, view, known } = scene
    const { change, planned } = plan
    const { flags, patience, startedMs } = work
    const [{ changeSteps, checkChange, votersAfter, votersOf }, { carryOut }, { changeOutput }] = await Promise.all([
      import('../../cluster/change-goals.js'),
      import('../../cluster/member-change.js'),
      import('./change-report.js'),
    ])
    const { protocol } = connection.target.configuration
    checkChange(view, change, (id) => known.has(id), protocol)
    if (local !== null) for (const { id } of change.add) await local.refuseUsed(id)
    const steps = changeSteps(view, change, protocol)
    if (planned !== null && steps.length > 0) requireCurrent(view, planned)
    const dryRun = flags['dry-run']
    const shared = { dryRun, protocol, before: votersOf(view), steps }
    if (dryRun) {
      const report: ChangeReport = {
        ...shared,
        changed: false,
        index: view.index,
        after: votersAfter(view, change),
        added: change.add.map(({ id, address, zone }) => ({ ...NOT_MADE, id, address, zone })),
        removed: change.remove.map((id) => ({ id, pid: null, outcome: null, dataDir: null })),
        next: [],
        elapsedMs: elapsed(startedMs),
      }
      await this.print(changeOutput(report))
      return
    }
    if (steps.some(({ action }) => action === 'leave')) await this.#confirm(change, steps, work)
    const done = await carryOut(connection.client, view, change, {
      local,
      planned: planned === null ? null : logIndex(planned),
      wait: plan.wait || change.remove.length > 0,
      protocol,
      patience,
    })
    const report: ChangeReport = {
      ...shared,
      changed: done.changed,
      index: done.view.index,
      after: votersOf(done.view),
      ...(await this.#addedReports(local, done.newcomers)),
      removed: await removedReports(local, change.remove, done.stopped),
      elapsedMs: elapsed(startedMs),
    }
    await this.print(changeOutput(report))
  }

  /** Shows what will happen and asks for the names of those that leave. */
  async #confirm({ remove }: MemberChange, steps: readonly ChangeStep[], work: ChangeWork): Promise<void> {
    work.stopProgress()
    const yes = work.flags.yes === true
    if (!yes) for (const { text } of steps) this.note(text)
    await confirm({
      message: `${remove.join(', ')} will be removed for good`,
      word: remove.join(' '),
      yes,
      interactive: process.stdin.isTTY === true && process.stderr.isTTY === true && this.session === null,
      signal: this.signal,
    })
  }

  async #addedReports(
    local: LocalMembers | null,
    newcomers: readonly { id: string; address: string; zone: string; publicKey: Uint8Array }[],
  ): Promise<{ added: AddedReport[]; next: string[] }> {
    const [{ formatPublicKey }, { runningPid }, { nodePaths }, { hostInstructions }] = await Promise.all([
      import('../../crypto/key-encoding.js'),
      import('../../cluster/processes.js'),
      import('../../cluster/layout.js'),
      import('./change-report.js'),
    ])
    const added: AddedReport[] = []
    const next: string[] = []
    for (const { id, address, zone, publicKey } of newcomers) {
      const member = { id, address, zone, publicKey: formatPublicKey(publicKey) }
      if (local !== null && (await local.has(id))) {
        const { data, log } = nodePaths(local.dir, id)
        added.push({ ...member, pid: await runningPid(local.dir, id), dataDir: data, logFile: log })
      } else {
        added.push({ ...NOT_MADE, ...member })
        next.push(...hostInstructions(member))
      }
    }
    return { added, next }
  }
}

async function removedReports(
  local: LocalMembers | null,
  ids: readonly string[],
  stopped: readonly StoppedNode[],
): Promise<RemovedReport[]> {
  const { nodePaths } = await import('../../cluster/layout.js')
  return ids.map((id) => {
    const process = stopped.find((one) => one.id === id)
    const dataDir = local === null ? null : nodePaths(local.dir, id).data
    return { id, pid: process?.pid ?? null, outcome: process?.outcome ?? null, dataDir }
  })
}

const NOT_MADE: AddedReport = {
  id: '',
  address: null,
  zone: null,
  publicKey: null,
  pid: null,
  dataDir: null,
  logFile: null,
}

function requireCurrent(view: MembersView, planned: number): void {
  if (view.index === planned) return
  throw new KnhkError('StalePlan', `the plan was made against entry ${planned}; the members changed at ${view.index}`, {
    details: { planned, index: view.index },
    hint: 'Make a new plan with `knhk cluster members plan`.',
  })
}

function elapsed(startedMs: number): number {
  return Math.round(performance.now() - startedMs)
}
