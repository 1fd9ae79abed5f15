/** Every node in turn is stopped cleanly and started again under load, as an upgrade does it. */

import type { Story } from '../story.js'
import { ChaosViolation } from '../verdict.js'

export const ROLLING_RESTART: Story = {
  name: 'rolling-restart',
  title: 'every node in turn stopped cleanly and started again, under load',
  needs: 'nothing',
  plan: async () => ({ nodes: 3 }),
  run: async ({ cluster, load, untilMs, survived }) => {
    do {
      for (const id of cluster.ids) {
        const code = await cluster.stop(id)
        if (code !== 0 && code !== 143) throw new ChaosViolation(`${id} ended with ${code} when it was stopped cleanly`)
        await cluster.startNode(id)
        await cluster.healthy()
        await load.progress()
        survived()
      }
    } while (performance.now() < untilMs)
  },
}
