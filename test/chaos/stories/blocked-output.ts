/**
 * Nobody reads what a node writes to its streams: the pipe is full before it starts. It must take part
 * all the same, and carry the cluster when one of the others is gone.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { need, system } from '../needs.js'
import type { Story } from '../story.js'

const BLOCKED = 'n1'
const CHUNK_BYTES = 4096

export const BLOCKED_OUTPUT: Story = {
  name: 'blocked-output',
  title: 'the streams of a node go to a pipe that nobody reads, full before it starts',
  needs: 'mkfifo',
  plan: async () => {
    await need('mkfifo', 'mkfifo', '--version')
    return { nodes: 3 }
  },
  start: async (cluster) => {
    const path = join(cluster.dir, 'nobody-reads')
    await system('mkfifo', path)
    const pipe = openFull(path)
    await cluster.startNode(BLOCKED, pipe.blocked)
    // The node holds both ends of its own by now.
    closeSync(pipe.filler)
    closeSync(pipe.blocked)
    for (const id of cluster.ids) if (id !== BLOCKED) await cluster.startNode(id)
    await cluster.healthy()
  },
  run: async ({ cluster, load, random, untilMs, survived }) => {
    const others = cluster.ids.filter((id) => id !== BLOCKED)
    for (let round = 0; round < others.length || performance.now() < untilMs; round++) {
      const other = round < others.length ? (others[round] as string) : random.pick(others)
      await cluster.kill([other])
      await load.progress(200)
      await cluster.startNode(other)
      await cluster.healthy()
      survived()
    }
  },
}

/** A pipe that has no room: filled without waiting, then opened again for whoever will have to wait. */
function openFull(path: string): { readonly filler: number; readonly blocked: number } {
  const filler = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const chunk = Buffer.alloc(CHUNK_BYTES)
  try {
    for (;;) writeSync(filler, chunk)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  }
  return { filler, blocked: openSync(path, constants.O_RDWR) }
}
