/**
 * The disk of one node fills up: the node stops and says so, the others go on; with room again it
 * starts, and catches up. The disk is a small file system of its own.
 */
import { cp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RealCluster } from '../cluster.js'
import { need, needRoot, system } from '../needs.js'
import type { Story } from '../story.js'
import { ChaosViolation, eventually } from '../verdict.js'

const DISK_BYTES = 48 * 1024 * 1024
const VICTIM = 'n2'
const BALLAST_STEP_BYTES = 64 * 1024
const LAST_WORDS = 5
const STOPS_WITHIN_MS = 60_000

function ballast(cluster: RealCluster): string {
  return join(cluster.paths(VICTIM).data, '..', 'disk', 'ballast')
}

export const FULL_DISK: Story = {
  name: 'full-disk',
  title: 'the disk of one node is full; freed, it starts again and catches up',
  needs: 'root, mount of a tmpfs',
  plan: async () => {
    needRoot()
    await need('mount', 'mount', '--version')
    return { nodes: 3 }
  },
  prepare: async (cluster) => {
    const { dir, data } = cluster.paths(VICTIM)
    const disk = join(dir, 'disk')
    const aside = join(dir, 'aside')
    await rename(data, aside)
    await system('mkdir', disk, data)
    await need('leave to mount', 'mount', '-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk)
    await system('mkdir', join(disk, 'data'))
    await need('leave to bind', 'mount', '--bind', join(disk, 'data'), data)
    await cp(aside, data, { recursive: true, preserveTimestamps: true })
    await system('chmod', '700', data)
    await rm(aside, { recursive: true })
  },
  run: async ({ cluster, load, survived }) => {
    const fill = ballast(cluster)
    const ended = cluster.ended(VICTIM)
    await fillUp(fill)
    await load.progress()
    await eventually(`${VICTIM} stops for its full disk`, () => !cluster.isRunning(VICTIM), STOPS_WITHIN_MS)
    const code = await ended
    const log = await cluster.log(VICTIM)
    if (code === 0 || !/DiskFull|ENOSPC/.test(log)) {
      const words = log.trim().split('\n').slice(-LAST_WORDS).join('\n')
      throw new ChaosViolation(`${VICTIM} ended with ${code} and does not say that its disk is full:\n${words}`)
    }
    await load.progress(200)
    await rm(fill)
    await cluster.startNode(VICTIM)
    await cluster.healthy()
    survived()
  },
  cleanUp: async (cluster) => {
    if (cluster === null) return
    const { dir, data } = cluster.paths(VICTIM)
    // What was not mounted, because something failed before, is not there to be taken away.
    for (const path of [data, join(dir, 'disk')]) await system('umount', '-l', path).catch(() => undefined)
  },
}

/** Leaves nothing free but what a few writes take. */
async function fillUp(path: string): Promise<void> {
  await writeFile(path, '')
  for (;;) {
    const { size } = await stat(path)
    try {
      await writeFile(path, Buffer.alloc(BALLAST_STEP_BYTES, 1), { flag: 'a' })
    } catch {
      return
    }
    if (size > DISK_BYTES) throw new ChaosViolation('the small disk never fills up')
  }
}
