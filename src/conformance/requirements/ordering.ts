/** One order of everything, the same everywhere, and each operation in it once. */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { expectAgreement, expectSoundLogs } from '../looking.js'
import type { Requirement } from '../requirement.js'
import { applied, count, put, read, swap } from '../values.js'

const CLIENTS = 4
const OPERATIONS = 25
const REPEATS = 5

export const ORDERING: readonly Requirement[] = [
  {
    name: 'what clients submit at once is ordered once, and equally on every member',
    async check(cluster) {
      const clients = Array.from({ length: CLIENTS }, () => cluster.client())
      const [first] = clients
      ok(first !== undefined)
      const submitted = clients.map(async (client, at) => {
        const session = await client.openSession()
        const operations = Array.from({ length: OPERATIONS }, (_, i) => put(`${at}/${i}`, `${i}`))
        return Promise.all(operations.map((operation) => applied(session, operation)))
      })
      const settled = (await Promise.all(submitted)).flat()
      const places = new Set(settled.map(({ index, position }) => `${index}/${position}`))
      deepStrictEqual(places.size, CLIENTS * OPERATIONS, 'two operations stand at one place')
      await expectAgreement(cluster, first, Math.max(...settled.map(({ index }) => index)))
      await expectSoundLogs(cluster)
      for (const client of clients) await client.close()
    },
  },
  {
    name: 'an ordered session is applied in its own order, however much of it is under way',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession({ ordered: true })
      const chain = Array.from({ length: OPERATIONS }, (_, i) => swap('chain', i === 0 ? null : `${i - 1}`, `${i}`))
      await Promise.all(chain.map((operation) => applied(session, operation)))
      deepStrictEqual(await read(client, 'chain'), `${OPERATIONS - 1}`)
      await client.close()
    },
  },
  {
    name: 'a batch keeps its order and its own results, rejected ones among them',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      const settled = await session.submit([swap('k', null, '1'), swap('k', '0', '2'), swap('k', '1', '3')])
      deepStrictEqual(
        settled.map(({ outcome }) => (outcome.ok ? 'ok' : outcome.code)),
        ['ok', 'CompareMismatch', 'ok'],
      )
      deepStrictEqual(new Set(settled.map(({ index }) => index)).size, 1, 'a batch is one request, in one entry')
      await client.close()
    },
  },
  {
    name: 'an operation whose answers are lost is applied exactly once',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      for (let i = 0; i < REPEATS; i++) {
        // As many as answer one sending: more than f where members may lie, else the one that leads.
        cluster.loseAnswers(cluster.isCertified ? cluster.members.length : 1)
        await count(session, 'counter', i, i + 1)
      }
      cluster.loseAnswers(0)
      deepStrictEqual(await read(client, 'counter'), `${REPEATS}`)
      await client.close()
    },
  },
]
