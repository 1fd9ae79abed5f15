/** Members that were away come back to the same state: by the entries they missed, or by a snapshot. */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { eventually, expectAgreement, expectSoundLogs, settled, viewOf } from '../looking.js'
import type { Requirement } from '../requirement.js'
import { count, read } from '../values.js'

/** Many in flight at a time would make few entries: these are one entry each. */
const MISSED = 30
const COMPACT_EVERY = 16

export const CATCHING_UP: readonly Requirement[] = [
  {
    name: 'a member that was away catches up by entries',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      const late = cluster.members.at(-1) as string
      await count(session, 'counter', 0, 3)
      await cluster.crash(late)
      const index = await count(session, 'counter', 3, 3 + MISSED)
      await cluster.start(late)
      await expectAgreement(cluster, client, index)
      deepStrictEqual((await viewOf(client, late))?.firstIndex, 1, 'it holds the whole log')
      deepStrictEqual(await read(client, 'counter', { node: late }), `${3 + MISSED}`)
      await expectSoundLogs(cluster)
      await client.close()
    },
  },
  {
    name: 'a member that misses what nobody has any more catches up by a snapshot, and goes on from it',
    needs: { compactEveryEntries: COMPACT_EVERY },
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      const late = cluster.members.at(-1) as string
      const others = cluster.members.filter((member) => member !== late)
      let done = 3
      await count(session, 'counter', 0, done)
      await cluster.crash(late)
      const missed = async (): Promise<true | null> => {
        await count(session, 'counter', done, done + COMPACT_EVERY)
        done += COMPACT_EVERY
        const views = await Promise.all(others.map((member) => viewOf(client, member)))
        return views.every((view) => view !== null && view.firstIndex > 2 * COMPACT_EVERY) ? true : null
      }
      await eventually(cluster, 'the others drop what the late one misses', missed)
      await cluster.start(late)
      const index = await count(session, 'counter', done, done + 5)
      await expectAgreement(cluster, client, index)
      const [view] = await settled(cluster, client, index, [late])
      ok(view !== undefined && view.firstIndex > 1, 'it had to begin behind a snapshot')
      deepStrictEqual(await read(client, 'counter', { node: late }), `${done + 5}`)
      await expectSoundLogs(cluster)
      await client.close()
    },
  },
  {
    name: 'logs are compacted, and members restart from what is left',
    needs: { compactEveryEntries: COMPACT_EVERY },
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      const done = 5 * COMPACT_EVERY
      await count(session, 'counter', 0, done)
      await eventually(cluster, 'every log begins later', async () => {
        const views = await Promise.all(cluster.members.map((member) => viewOf(client, member)))
        return views.every((view) => view !== null && view.firstIndex > 1) ? true : null
      })
      for (const member of cluster.members) await cluster.crash(member)
      await Promise.all(cluster.members.map((member) => cluster.start(member)))
      deepStrictEqual(await read(client, 'counter'), `${done}`)
      await expectAgreement(cluster, client, await count(session, 'counter', done, done + 3))
      await expectSoundLogs(cluster)
      await client.close()
    },
  },
]
