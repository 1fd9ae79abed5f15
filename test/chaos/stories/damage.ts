/**
 * A byte in the middle of the log of a stopped node changes. Started again, the node says so, neither
 * votes nor leads, and is repaired from the others; from then on it counts again: with one of the
 * others gone, the cluster serves.
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { flipByte } from '../../flip-byte.js'
import type { Story } from '../story.js'
import { ChaosViolation, eventually } from '../verdict.js'

const REPAIRED_WITHIN_MS = 60_000

export const DAMAGE: Story = {
  name: 'damage',
  title: 'a damaged byte in the log of a stopped node: it is repaired from the others before it votes',
  needs: 'nothing',
  plan: async () => ({ nodes: 3 }),
  run: async ({ cluster, load, random, survived }) => {
    const leader = await cluster.leader()
    const victim = random.pick(cluster.ids.filter((id) => id !== leader))
    await cluster.stop(victim)
    await flipMiddle(join(cluster.paths(victim).data, 'log'))
    const damaged = await cluster.tryKnhk(['log', 'verify', '--data-dir', cluster.paths(victim).data])
    if (damaged.code !== 10) throw new ChaosViolation(`log verify of a damaged log ended with ${damaged.code}`)
    await load.progress()
    const before = (await cluster.log(victim)).length
    await cluster.startNode(victim)
    await eventually('the node says that its log is damaged', async () =>
      (await cluster.log(victim)).slice(before).includes('neither votes nor leads'),
    )
    await eventually(
      'the node says that it is repaired',
      async () => /repaired/.test((await cluster.log(victim)).slice(before)),
      REPAIRED_WITHIN_MS,
    )
    if ((await cluster.leader()) === victim) throw new ChaosViolation('the damaged node leads')
    await cluster.healthy()
    const other = cluster.ids.find((id) => id !== victim && id !== leader) as string
    await cluster.kill([other])
    await load.progress()
    await cluster.startNode(other)
    await cluster.healthy()
    survived()
  },
}

async function flipMiddle(log: string): Promise<void> {
  const segments = (await readdir(log)).filter((name) => name.endsWith('.seg')).sort()
  const path = join(log, segments.at(-1) as string)
  await flipByte(path, Math.floor((await stat(path)).size / 2))
}
