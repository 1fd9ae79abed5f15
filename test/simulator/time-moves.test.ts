/** Shows that a run in which somebody always has something to do at once, so that time stands still, is a violation. */
import { expect, test } from 'vitest'
import { EventQueue } from '../../src/simulator/event-queue.js'

test('what is always due at once ends the run; what falls due soon does not', async () => {
  const queue = new EventQueue()
  let turns = 0
  const soon = (): void => {
    turns++
    queue.after(turns < 1000 ? 0 : 1, soon)
  }
  soon()
  await queue.run(100)
  const atOnce = (): void => void queue.after(0, atOnce)
  atOnce()
  await expect(queue.run(200)).rejects.toMatchObject({ invariant: 'timeMoves' })
})
