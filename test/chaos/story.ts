/**
 * What every story is: what it needs, and what it does to a cluster while clients write. The frame
 * around it is the same for all: start, load, misbehave, heal, stop, read everything once more, judge.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { KnhkError } from '../../src/base/error.js'
import { SeededRandom } from '../../src/simulator/random.js'
import { type ClusterPlan, RealCluster } from './cluster.js'
import { Load } from './load.js'
import {
  ChaosSkipped,
  ChaosViolation,
  countAckedWrites,
  judgeHistory,
  longestGapMs,
  type StoryResult,
} from './verdict.js'

export interface Scene {
  readonly cluster: RealCluster
  readonly load: Load
  readonly random: SeededRandom
  /** Directory for histories that the story records itself. */
  readonly histories: string
  /** The story begins no new fault after this moment of `performance.now()`. */
  readonly untilMs: number
  /** Counts a fault that the cluster went through. */
  readonly survived: () => void
  /** Adds a line to the story's result. */
  readonly note: (text: string) => void
}

export interface Story {
  readonly name: string
  readonly title: string
  /** The capabilities it has to have; for the reader. */
  readonly needs: string
  /** Throws `ChaosSkipped` where they are missing. */
  readonly plan: () => Promise<ClusterPlan>
  /** After the cluster was made and before its nodes start. */
  readonly prepare?: (cluster: RealCluster) => Promise<void>
  /** Instead of starting all nodes the usual way. */
  readonly start?: (cluster: RealCluster) => Promise<void>
  readonly run: (scene: Scene) => Promise<void>
  /** Takes away what `plan` and `prepare` set up on the machine; the nodes may still run. */
  readonly cleanUp?: (cluster: RealCluster | null) => Promise<void>
}

export async function tellStory(
  story: Story,
  options: { readonly seed: number; readonly seconds: number; readonly signal: AbortSignal },
): Promise<StoryResult> {
  const startedMs = performance.now()
  const figures = {
    faults: 0,
    kills: 0,
    operations: 0,
    ackedWrites: 0,
    longestGapMs: null as number | null,
    note: null as string | null,
  }
  // Held where the clean-up finds them, however far the story came.
  const made: { cluster: RealCluster | null; load: Load | null } = { cluster: null, load: null }
  const result = (verdict: StoryResult['verdict'], reason: string | null): StoryResult => {
    const seconds = Math.round((performance.now() - startedMs) / 100) / 10
    return { story: story.name, verdict, reason, ...figures, kills: made.cluster?.kills ?? 0, seconds }
  }
  const tell = async (): Promise<void> => {
    const cluster = await RealCluster.make(await story.plan())
    made.cluster = cluster
    await story.prepare?.(cluster)
    await (story.start?.(cluster) ?? cluster.start())
    const histories = join(cluster.histories, 'history')
    await mkdir(histories)
    const load = await Load.start(cluster.dir, histories, options.seed)
    made.load = load
    const random = new SeededRandom(options.seed, 0)
    const untilMs = performance.now() + options.seconds * 1000
    const survived = (): void => {
      figures.faults++
    }
    const note = (text: string): void => {
      figures.note = text
    }
    await story.run({ cluster, load, random, histories, untilMs, survived, note })
    await load.progress()
    const history = await load.finish()
    figures.operations = history.length
    figures.ackedWrites = countAckedWrites(history)
    figures.longestGapMs = longestGapMs(history)
    judgeHistory(history)
    await cluster.converged()
  }
  try {
    await Promise.race([tell(), interruption(options.signal)])
    return result('ok', null)
  } catch (error) {
    if (error instanceof ChaosSkipped) return result('skipped', error.message)
    if (error instanceof ChaosViolation) return result('violation', error.message)
    if (error instanceof KnhkError) return result('violation', `${error.code}: ${error.message}`)
    throw error
  } finally {
    made.load?.kill()
    await story.cleanUp?.(made.cluster)
    await made.cluster?.remove()
  }
}

/** Rejects when the signal fires. */
function interruption(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

/** Waits so long. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
