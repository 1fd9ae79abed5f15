/**
 * Watching the nodes of a local cluster: those that this process started tell how they ended, of the
 * others their pid file does.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { readTextIfThere } from './files.js'
import { nodePaths } from './layout.js'
import type { LocalCluster, LocalNode } from './local.js'
import { isRunningNode, type ProcessEnd } from './processes.js'

const WATCH_POLL_MS = 500

/**
 * Calls `onEnd` once for every node of `cluster` that ends. Resolves when `signal` fires, or when
 * somebody stopped all nodes cleanly; a node that died is worth staying for.
 */
export async function watchNodes(
  cluster: LocalCluster,
  signal: AbortSignal,
  onEnd: (node: LocalNode, end: ProcessEnd) => void,
): Promise<void> {
  const ends = await Promise.all(
    cluster.nodes.map(async (node) => {
      const child = cluster.started.find((one) => one.id === node.id)
      const end =
        child === undefined
          ? await endOfStranger(cluster.dir, node, signal)
          : await Promise.race([child.ended, aborted(signal)])
      if (end !== null) onEnd(node, end)
      return end
    }),
  )
  if (ends.some((end) => end?.code !== 0)) await aborted(signal)
}

/** How a node ended that another process started: its exit code is not ours to see, its pid file is. */
async function endOfStranger(dir: string, { id, pid }: LocalNode, signal: AbortSignal): Promise<ProcessEnd | null> {
  while (!signal.aborted) {
    if (!(await isRunningNode(pid, dir, id))) {
      // A clean stop removes the file.
      const isClean = (await readTextIfThere(nodePaths(dir, id).pid)) === null
      return { code: isClean ? 0 : null, signal: null }
    }
    await delay(WATCH_POLL_MS)
  }
  return null
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolveAbort) => {
    if (signal.aborted) resolveAbort(null)
    else signal.addEventListener('abort', () => resolveAbort(null), { once: true })
  })
}
