/** `recover plan`: what survived of a cluster, and what a recovery would make of it. */
import { readdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { KnhkError } from '../../base/error.js'
import { type ClusterFile, readClusterFile } from '../../cluster/cluster-file.js'
import { clusterPaths } from '../../cluster/layout.js'
import { makePlan, type SignedPlan } from '../../cluster/recovery/plan.js'
import { lookAtSurvivor, type Survivor } from '../../cluster/recovery/survivor.js'
import { IDENTITY_FILE } from '../../storage/data-directory.js'
import { uuidFromBytes } from '../../workflow/uuid.js'
import type { Output, TextTools } from '../printer.js'

export interface PlanChoice {
  readonly dataDirs: readonly string[]
  /** The directory of a local cluster that lost its quorum. */
  readonly dir: string | undefined
  readonly cluster: string | undefined
}

/** Throws `Usage` where nothing is named, and what looking at the directories throws. */
export async function planRecovery(choice: PlanChoice, onProgress: (text: string) => void): Promise<SignedPlan> {
  const dataDirs = [...new Set([...choice.dataDirs.map((path) => resolve(path)), ...(await localDataDirs(choice))])]
  if (dataDirs.length === 0) {
    throw new KnhkError('Usage', 'what is left of the cluster?', {
      hint: 'Name the surviving data directories: --data-dir D1 --data-dir D2, or --dir DIR.',
    })
  }
  const survivors: Survivor[] = []
  for (const dataDir of dataDirs) {
    onProgress(`looking at ${dataDir}`)
    survivors.push(await lookAtSurvivor(dataDir))
  }
  return makePlan(survivors, await lostConfiguration(choice, survivors))
}

/** With --dir alone: the data directories that are still there. */
async function localDataDirs({ dir, dataDirs }: PlanChoice): Promise<string[]> {
  if (dir === undefined || dataDirs.length > 0) return []
  const { nodes } = clusterPaths(resolve(dir))
  const found: string[] = []
  for (const name of (await namesIn(nodes)).sort()) {
    const data = join(nodes, name, 'data')
    if ((await namesIn(data)).includes(IDENTITY_FILE)) found.push(data)
  }
  return found
}

function namesIn(path: string): Promise<string[]> {
  return readdir(path).catch(() => [])
}

/** The cluster file that is named, or the one beside the data directories where it is of their cluster. */
async function lostConfiguration(choice: PlanChoice, survivors: readonly Survivor[]): Promise<ClusterFile | null> {
  if (choice.cluster !== undefined) return readClusterFile(resolve(choice.cluster))
  if (choice.dir !== undefined) return readClusterFile(clusterPaths(resolve(choice.dir)).clusterFile)
  for (const { dataDir, clusterId } of survivors) {
    const { clusterFile } = clusterPaths(dirname(dirname(dirname(dataDir))))
    const configuration = await readClusterFile(clusterFile).catch(() => null)
    if (configuration !== null && uuidFromBytes(configuration.clusterId) === clusterId) return configuration
  }
  return null
}

export function planOutput({ plan, digest }: SignedPlan, file: string): Output {
  return {
    value: { file, digest, ...plan },
    items: plan.survivors,
    ids: [digest],
    text: async (tools) =>
      [
        tools.fields([
          ['cluster', plan.clusterId],
          ['plan', file],
          ['digest', digest],
          ['chosen', plan.chosen],
          ['up to', `index ${plan.lastIndex}, term ${plan.lastTerm}, epoch ${plan.lastEpoch}`],
          ['missing', plan.missing.join(', ') || null],
        ]),
        await survivorTable(plan.survivors, tools),
        ...planWords({ plan, digest }).map((words) => tools.paint('yellow', words)),
        plan.quorumSurvives ? '' : `Carry it out: knhk recover apply ${file} --dir NEW --nodes 3`,
      ].join('\n'),
  }
}

function survivorTable(survivors: readonly Survivor[], { table }: TextTools): Promise<string> {
  return table(
    ['node', 'epoch', 'term', 'vote', 'log', 'ends in term', 'applied', 'snapshot', 'state of it'],
    survivors.map(({ node, log, unusable }) => {
      const condition =
        unusable?.message ?? (log?.damage.length === 0 ? 'sound' : `damaged at ${log?.damage[0]?.index}`)
      if (log === null) return [node, null, null, null, null, null, null, null, condition]
      const { epoch, term, votedFor, baseIndex, lastIndex, lastTerm, appliedIndex, snapshotIndex } = log
      const range = `${baseIndex + 1} … ${lastIndex}`
      return [node, epoch, term, votedFor, range, lastTerm, appliedIndex, snapshotIndex, condition]
    }),
  )
}

/** What may be lost, and what may be there that never was decided, in words. */
export function planWords({ plan }: SignedPlan): string[] {
  const { voters, missing, quorum, quorumSurvives, committedMayBeLost, uncertain, lastIndex, discarded } = plan
  const words: string[] = []
  if (quorumSurvives) words.push(`No recovery is needed: ${quorum} of ${voters?.length} voters are enough to go on.`)
  if (voters === null) {
    words.push('Nobody says who the members were (name the cluster file with --cluster): entries may be lost.')
  } else if (committedMayBeLost) {
    words.push(
      `${missing.join(', ')} (${missing.length} of ${voters.length} voters) are missing, and ${quorum} decide: entries after ${lastIndex} that only they hold are lost, committed ones too.`,
    )
  } else words.push(`Nothing that was committed is lost: every quorum of ${quorum} has a survivor.`)
  if (uncertain !== null) {
    words.push(`Entries ${uncertain.from} … ${uncertain.to} are taken over, though perhaps they were never committed.`)
  }
  for (const { node, from, to } of discarded)
    words.push(`Entries ${from} … ${to} of ${node} are of an older term and dropped.`)
  return words
}
