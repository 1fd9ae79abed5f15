/**
 * The leader stands still (SIGSTOP) for longer than an election, with reads waiting in it; another one
 * is elected and writes. When it goes on, those reads must not be answered with what it knew before.
 */
import { join } from 'node:path'
import type { ClientSession } from '../../../src/client/index.js'
import { readKey, write } from '../operations.js'
import { Recorder } from '../recorder.js'
import { pass, type Story } from '../story.js'

const STOPPED_MIN_MS = 1200
const STOPPED_MAX_MS = 2500
const READS = 40
const READ_TIMEOUT_MS = 8000
const KEYS = 4

export const PAUSE: Story = {
  name: 'pause',
  title: 'SIGSTOP of the leader beyond the election time-out with reads in flight, then SIGCONT',
  needs: 'nothing',
  plan: async () => ({ nodes: 3 }),
  run: async ({ cluster, load, random, histories, untilMs, survived }) => {
    const recorder = new Recorder(join(histories, 'reader'))
    const reader = await cluster.client()
    const session = await reader.openRawSession()
    try {
      for (let round = 0; round === 0 || performance.now() < untilMs; round++) {
        const leader = await cluster.leader()
        const keys = Array.from({ length: KEYS }, (_, at) => `paused-${round}-${at}`)
        for (const key of keys) await overwrite(session, recorder, key, 'before')
        const ask = (at: number) => {
          const key = keys[at % KEYS] as string
          return readKey(reader, recorder, { lane: `reader.${at}`, key, timeoutMs: READ_TIMEOUT_MS, node: leader })
        }
        // Half of them arrive before it stands still, half wait in its sockets.
        const early = Array.from({ length: READS / 2 }, (_, at) => ask(at))
        cluster.signal(leader, 'SIGSTOP')
        const late = Array.from({ length: READS / 2 }, (_, at) => ask(READS / 2 + at))
        try {
          await load.progress()
          for (const key of keys) await overwrite(session, recorder, key, 'after')
          await pass(random.between(STOPPED_MIN_MS, STOPPED_MAX_MS))
        } finally {
          cluster.signal(leader, 'SIGCONT')
        }
        await Promise.all([...early, ...late])
        await cluster.healthy()
        survived()
      }
    } finally {
      recorder.close()
    }
  },
}

async function overwrite(session: ClientSession, recorder: Recorder, key: string, value: string): Promise<void> {
  const open = recorder.call('overwriter', { op: 'put', key, value: `${key}-${value}`, expected: null })
  await write(session, recorder, open, READ_TIMEOUT_MS)
}
