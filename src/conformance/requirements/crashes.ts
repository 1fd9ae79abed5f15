/** What was acknowledged survives the death of members, and the others go on. */
import { deepStrictEqual, rejects } from 'node:assert/strict'
import type { ClusterUnderTest } from '../cluster-under-test.js'
import { expectAgreement, expectSoundLogs, leaderOf } from '../looking.js'
import type { Requirement } from '../requirement.js'
import { count, put, read } from '../values.js'

/** Real time: long enough for a cluster that could answer. */
const HOPELESS_MS = 1_500

async function restart(cluster: ClusterUnderTest, members: readonly string[]): Promise<void> {
  for (const member of members) await cluster.crash(member)
  await Promise.all(members.map((member) => cluster.start(member)))
}

export const CRASHES: readonly Requirement[] = [
  {
    name: 'each member that loses power in turn comes back with what was acknowledged',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      let done = 0
      for (const member of cluster.members) {
        await count(session, 'counter', done, done + 5)
        done += 5
        await restart(cluster, [member])
      }
      const index = await count(session, 'counter', done, done + 1)
      await expectAgreement(cluster, client, index)
      await expectSoundLogs(cluster)
      await client.close()
    },
  },
  {
    name: 'when all lose power at once, nothing that was acknowledged is lost',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      await count(session, 'counter', 0, 15)
      await restart(cluster, cluster.members)
      deepStrictEqual(await read(client, 'counter'), '15')
      const index = await count(session, 'counter', 15, 20)
      await expectAgreement(cluster, client, index)
      await expectSoundLogs(cluster)
      await client.close()
    },
  },
  {
    name: 'after the death of the leader the others go on, with all that was acknowledged',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      for (let i = 0; i < 2; i++) {
        await count(session, 'counter', 10 * i, 10 * i + 5)
        const leader = await leaderOf(cluster, client)
        const counted = count(session, 'counter', 10 * i + 5, 10 * i + 10)
        await cluster.crash(leader)
        await counted
        await cluster.start(leader)
      }
      deepStrictEqual(await read(client, 'counter'), '20')
      await expectAgreement(cluster, client, await count(session, 'counter', 20, 21))
      await expectSoundLogs(cluster)
      await client.close()
    },
  },
  {
    name: 'with f members down the others serve; with one more nobody is told of a success',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      const away = cluster.members.slice(-cluster.faultsMax)
      for (const member of away) await cluster.crash(member)
      await count(session, 'counter', 0, 10)
      const oneMore = cluster.members[0] as string
      await cluster.crash(oneMore)
      const other = cluster.client()
      await rejects(other.submitOnce(put('hopeless', '1'), { timeoutMs: HOPELESS_MS }))
      await other.close()
      await Promise.all([oneMore, ...away].map((member) => cluster.start(member)))
      deepStrictEqual(await read(client, 'counter'), '10')
      await expectAgreement(cluster, client, await count(session, 'counter', 10, 11))
      await client.close()
    },
  },
]
