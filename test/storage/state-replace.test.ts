/**
 * Shows that a walk gives the state of one index whatever is written meanwhile, and that replacing the
 * state gives the new one or, after a crash, a store that knows that it is incomplete.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { MemoryLevel } from 'memory-level'
import { expect, test } from 'vitest'
import { logIndex } from '../../src/consensus/types.js'
import type { StatePair } from '../../src/node/ports.js'
import { classicSource, type LevelLike, type StateDatabaseSource } from '../../src/storage/state-database.js'
import type { OverlayStateStore } from '../../src/storage/state-store.js'
import { VolatileSource } from '../../src/storage/volatile-database.js'
import { seededRandom } from '../random.js'
import { flushed, openState, volatileSource } from './state-fixture.js'

const value = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
async function listed(pairs: AsyncIterable<StatePair>): Promise<string[]> {
  const found: string[] = []
  for await (const pair of pairs) found.push(`${pair.key}=${Buffer.from(pair.value).toString()}`)
  return found
}
async function walked(walk: AsyncIterable<readonly StatePair[]>): Promise<string[]> {
  const found: string[] = []
  for await (const pairs of walk) found.push(...(await listed(each(pairs))))
  return found
}
async function* each(pairs: readonly StatePair[]): AsyncGenerator<StatePair> {
  yield* pairs
}
const makePairs = (count: number, text: string): StatePair[] =>
  Array.from({ length: count }, (_, i) => ({ key: `k${String(i).padStart(5, '0')}`, value: value(`${text}${i}`) }))

test('a walk shows the generations up to its index, in key order, and later ones are written meanwhile', async () => {
  const store = await openState(volatileSource())
  store.put('b', value('1'))
  store.put('a', value('1'))
  store.rotate(logIndex(4))
  store.rotate(logIndex(6))
  store.put('b', value('2'))
  store.delete('a')
  store.put('c', value('2'))
  store.rotate(logIndex(9))
  store.put('d', value('open'))
  const walk = await store.walk(logIndex(6))
  await flushed(store)
  expect(store.appliedIndex).toBe(9)
  expect(await walked(walk)).toEqual(['a=1', 'b=1'])
  expect(await walked(await store.walk(logIndex(9)))).toEqual(['b=2', 'c=2'])
  await expect(store.walk(logIndex(6))).rejects.toMatchObject({ code: 'Refused' })
  store.rotate(logIndex(12))
  expect(await walked(await store.walk(logIndex(12)))).toEqual(['b=2', 'c=2', 'd=open'])
  await store.close()
})

test('a walk inside a generation is refused, and one walk is made at a time', async () => {
  const store = await openState(volatileSource())
  store.put('a', value('1'))
  store.rotate(logIndex(5))
  await expect(store.walk(logIndex(3))).rejects.toMatchObject({ code: 'Refused' })
  const walk = await store.walk(logIndex(5))
  await expect(store.walk(logIndex(5))).rejects.toMatchObject({ code: 'Bug' })
  await expect(store.walk(logIndex(8))).rejects.toMatchObject({ code: 'Bug' })
  expect(await walked(walk)).toEqual(['a=1'])
  await walked(await store.walk(logIndex(5)))
  await store.close()
})

test('a flush under way that carries newer changes makes the walk refuse, never lie', async () => {
  const store = await openState(volatileSource())
  for (const { key, value: bytes } of makePairs(2000, 'x')) store.put(key, bytes)
  store.rotate(logIndex(2))
  store.put('k00000', value('new'))
  store.rotate(logIndex(3))
  store.flush()
  await expect(store.walk(logIndex(2))).rejects.toMatchObject({ code: 'Refused' })
  expect((await walked(await store.walk(logIndex(3))))[0]).toBe('k00000=new')
  await store.close()
})

async function filled(source: StateDatabaseSource): Promise<OverlayStateStore> {
  const store = await openState(source)
  for (const { key, value: bytes } of makePairs(3000, 'old')) store.put(key, bytes)
  store.put('z', value('old'))
  store.rotate(logIndex(10))
  await flushed(store)
  store.put('y', value('frozen'))
  store.rotate(logIndex(12))
  store.put('x', value('open'))
  return store
}

test('replaced content is all there is, in memory and after a restart, on classic-level too', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'knhk-replace-'))
  try {
    for (const source of [volatileSource(), classicSource(`${directory}/state`)]) {
      const store = await filled(source)
      expect(store.get('z')).toBeDefined()
      await store.replace(logIndex(50), each(makePairs(2500, 'new')))
      expect([store.appliedIndex, store.unflushedBytes, store.openBytes]).toEqual([50, 0, 0])
      for (const gone of ['x', 'y', 'z', 'k02999']) expect(store.get(gone)).toBeUndefined()
      expect(await listed(store.scan())).toEqual(await listed(each(makePairs(2500, 'new'))))
      store.put('a', value('later'))
      store.rotate(logIndex(51))
      await store.close()
      const again = await openState(source)
      expect([again.rebuilt, again.appliedIndex]).toEqual([null, 51])
      expect((await listed(again.scan())).length).toBe(2501)
      await again.close()
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})

/** A database whose writes fail after so many. */
function failingSource(writes: { left: number }): VolatileSource {
  return new VolatileSource(async (): Promise<LevelLike> => {
    const memory = new MemoryLevel<Uint8Array, Uint8Array>({ keyEncoding: 'view', valueEncoding: 'view' })
    await memory.open()
    const level: LevelLike = memory
    const spend = (): void => {
      if (writes.left-- <= 0) throw new Error('out of writes')
    }
    return {
      getSync: (key) => level.getSync(key),
      iterator: (options) => level.iterator(options),
      snapshot: () => level.snapshot(),
      close: () => level.close(),
      put: async (key, bytes, options) => {
        spend()
        await level.put(key, bytes, options)
      },
      batch: () => {
        const batch = level.batch()
        return {
          put: (key, bytes) => batch.put(key, bytes),
          del: (key) => batch.del(key),
          write: async () => {
            spend()
            await batch.write()
          },
        }
      },
    }
  })
}

test('a crash at any write of a replacement gives the old state, the new one, or an empty store that knows it', async () => {
  const outcomes = new Set<string>()
  for (let after = 0; after < 10; after++) {
    for (let seed = 0; seed <= 3; seed++) {
      const writes = { left: Number.POSITIVE_INFINITY }
      const source = failingSource(writes)
      const store = await filled(source)
      writes.left = after
      const done = await store.replace(logIndex(50), each(makePairs(2500, 'new'))).then(
        () => true,
        (error: { code: string }) => {
          expect(error.code).toBe('StorageFailed')
          return false
        },
      )
      writes.left = Number.POSITIVE_INFINITY
      if (seed === 0) source.kill()
      else source.crash(seededRandom(seed * 31 + after))
      const again = await openState(source)
      const content = await listed(again.scan())
      const note = `${after} writes, seed ${seed}`
      if (again.rebuilt !== null) {
        expect([note, again.rebuilt, content.length]).toEqual([note, 'hole', 0])
        outcomes.add('hole')
      } else if (again.appliedIndex === 50) {
        expect([note, done, content]).toEqual([note, true, await listed(each(makePairs(2500, 'new')))])
        outcomes.add('new')
      } else {
        // Nothing was begun.
        expect([note, after]).toEqual([note, 0])
        expect([note, content.length === 3001 || content.length === 0]).toEqual([note, true])
        outcomes.add('old')
      }
      await again.close()
    }
  }
  expect([...outcomes].sort()).toEqual(['hole', 'new', 'old'])
}, 60_000)
