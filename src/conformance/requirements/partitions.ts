/** Members that are cut off neither decide nor mislead, and come back in agreement. */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { KnhkError } from '../../base/error.js'
import type { Client } from '../../client/index.js'
import { expectAgreement, expectSoundLogs, leaderOf, settled } from '../looking.js'
import type { Requirement } from '../requirement.js'
import { applied, count, put, read } from '../values.js'

/** Real time. */
const CUT_OFF_MS = 1_000

/** What a member says when it is asked for the newest value; null where it says that it cannot. */
async function askedAt(client: Client, node: string, key: string): Promise<string | null> {
  try {
    return await read(client, key, { node, timeoutMs: CUT_OFF_MS })
  } catch (error) {
    if (error instanceof KnhkError) return null
    throw error
  }
}

export const PARTITIONS: readonly Requirement[] = [
  {
    name: 'a minority that is cut off, the leader among it, tells nothing old for new, and agrees when it is back',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      await settled(cluster, client, (await applied(session, put('k', 'old'))).index)
      const leader = await leaderOf(cluster, client)
      const others = cluster.members.filter((member) => member !== leader)
      const minority = [leader, ...others.slice(0, cluster.faultsMax - 1)]
      cluster.cutOff(minority)
      await applied(session, put('k', 'new'))
      for (const member of minority) {
        const told = await askedAt(client, member, 'k')
        ok(told === null || told === 'new', `${member} is cut off, and answered with the value before`)
      }
      cluster.heal()
      const index = await count(session, 'counter', 0, 3)
      await expectAgreement(cluster, client, index)
      for (const member of minority) deepStrictEqual(await read(client, 'k', { node: member }), 'new')
      await expectSoundLogs(cluster)
      await client.close()
    },
  },
  {
    name: 'a cluster in which nobody hears anybody decides nothing, and goes on when it is whole',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      // Everybody knows of all five: who hears nothing more can only stay there.
      await expectAgreement(cluster, client, await count(session, 'counter', 0, 5))
      for (const member of cluster.members) cluster.cutOff([member])
      const counted = count(session, 'counter', 5, 10)
      await cluster.elapse(3_000)
      deepStrictEqual(await read(client, 'counter', { read: 'local' }), '5')
      cluster.heal()
      await expectAgreement(cluster, client, await counted)
      await expectSoundLogs(cluster)
      await client.close()
    },
  },
]
