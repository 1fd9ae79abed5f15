/** Linearizable reads see every write that was acknowledged before they began, whoever is asked. */
import { deepStrictEqual } from 'node:assert/strict'
import type { Requirement } from '../requirement.js'
import { applied, put, read } from '../values.js'

export const READS: readonly Requirement[] = [
  {
    name: 'a read sees every earlier write of any client, at every member',
    async check(cluster) {
      const writer = cluster.client()
      const reader = cluster.client()
      const session = await writer.openSession()
      for (let i = 0; i < 8; i++) {
        await applied(session, put('k', `${i}`))
        deepStrictEqual(await read(reader, 'k'), `${i}`)
        const node = cluster.members[i % cluster.members.length] as string
        deepStrictEqual(await read(reader, 'k', { node }), `${i}`)
      }
      await writer.close()
      await reader.close()
    },
  },
  {
    name: 'reads of one client never go back',
    async check(cluster) {
      const writer = cluster.client()
      const reader = cluster.client()
      const session = await writer.openSession()
      const written = (async () => {
        for (let i = 1; i <= 20; i++) await applied(session, put('k', `${i}`))
      })()
      let before = 0
      while (before < 20) {
        const seen = Number((await read(reader, 'k')) ?? '0')
        deepStrictEqual(seen >= before, true, `read ${seen} after ${before}`)
        before = seen
      }
      await written
      await writer.close()
      await reader.close()
    },
  },
]
