/** kill -9 of a random node, of the leader, or of all at once, over and over; what was acknowledged stays. */
import { pass, type Story } from '../story.js'

const DOWN_MAX_MS = 1000

export const KILL: Story = {
  name: 'kill',
  title: 'kill -9 of a random node, the leader, or all nodes at once, and restart',
  needs: 'nothing',
  plan: async () => ({ nodes: 3 }),
  run: async ({ cluster, load, random, untilMs, survived }) => {
    // Each kind at least once, however short the story is.
    const kinds = ['leader', 'all', 'random'] as const
    for (let round = 0; round < kinds.length || performance.now() < untilMs; round++) {
      const kind = round < kinds.length ? kinds[round] : random.pick(kinds)
      const victims =
        kind === 'all' ? cluster.ids : [kind === 'leader' ? await cluster.leader() : random.pick(cluster.ids)]
      await cluster.kill(victims)
      await pass(random.next() * DOWN_MAX_MS)
      for (const id of victims) await cluster.startNode(id)
      await cluster.healthy()
      await load.progress()
      survived()
    }
  },
}
