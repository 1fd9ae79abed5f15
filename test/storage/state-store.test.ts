/** Shows that the applied state reads as memory does, reaches the database, and never passes for whole after a loss. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import type { KnhkError } from '../../src/base/error.js'
import { logIndex } from '../../src/consensus/types.js'
import { classicSource, type StateDatabaseSource } from '../../src/storage/state-database.js'
import { dataKey } from '../../src/storage/state-format.js'
import type { OverlayStateStore } from '../../src/storage/state-store.js'
import { seededRandom } from '../random.js'
import { flushed, openState, STATE_IDENTITY, volatileSource } from './state-fixture.js'

const directories: string[] = []
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true })
})
async function classic(): Promise<StateDatabaseSource> {
  const directory = await mkdtemp(path.join(tmpdir(), 'knhk-state-'))
  directories.push(directory)
  return classicSource(`${directory}/state`)
}
const value = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString()
async function everything(store: OverlayStateStore): Promise<[string, string | undefined][]> {
  const pairs: [string, string | undefined][] = []
  for await (const pair of store.scan()) pairs.push([pair.key, text(pair.value)])
  return pairs
}

describe.each([
  ['classic-level', classic],
  ['memory-level', async () => volatileSource()],
] as const)('on %s', (_, create) => {
  test('puts, deletes and generations come back after a restart; keys are bytes', async () => {
    const source = await create()
    const store = await openState(source)
    expect(store.appliedIndex).toBe(0)
    store.put('\x00\xff', value('low'))
    store.put('b', value('1'))
    expect(store.rotate(logIndex(5)).size).toBe(2)
    store.put('b', value('2'))
    store.put('c', value('3'))
    store.delete('\x00\xff')
    store.rotate(logIndex(9))
    store.delete('c')
    expect(text(store.get('b'))).toBe('2')
    expect(store.get('c')).toBeUndefined()
    expect(await everything(store)).toEqual([['b', '2']])
    await flushed(store)
    expect(store.appliedIndex).toBe(9)
    await store.close()
    const again = await openState(source)
    expect(again.rebuilt).toBeNull()
    expect(again.appliedIndex).toBe(9)
    expect(await everything(again)).toEqual([
      ['b', '2'],
      ['c', '3'],
    ])
    expect(again.get('\x00\xff')).toBeUndefined()
    expect(again.rotate(logIndex(20)).size).toBe(0)
    await again.close()
    const last = await openState(source)
    expect(last.appliedIndex).toBe(20)
    await last.close()
  })

  test('a range and a scan see the moment of the call', async () => {
    const store = await openState(await create())
    for (let i = 0; i < 1200; i++) store.put(`k${String(i).padStart(4, '0')}`, value(String(i)))
    store.rotate(logIndex(1))
    const scan = store.scan()
    const range = store.range('k0000', 'k0010')
    for (let i = 0; i < 1200; i++) store.put(`k${String(i).padStart(4, '0')}`, value('late'))
    store.rotate(logIndex(2))
    await flushed(store)
    expect((await range).map((pair) => text(pair.value))).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
    let count = 0
    for await (const pair of scan) expect(text(pair.value)).toBe(String(count++))
    expect(count).toBe(1200)
    expect((await store.range('k', 'l', { limit: 2, reverse: true })).map((pair) => pair.key)).toEqual([
      'k1199',
      'k1198',
    ])
    await store.close()
  })

  test('another cluster finds an empty store', async () => {
    const source = await create()
    const store = await openState(source)
    store.put('a', value('1'))
    store.rotate(logIndex(3))
    await store.close()
    const other = await openState(source, { identity: { ...STATE_IDENTITY, clusterId: new Uint8Array(16) } })
    expect(other.rebuilt).toBe('foreign')
    expect(other.appliedIndex).toBe(0)
    expect(await everything(other)).toEqual([])
    await other.close()
  })
})

test('range, scan and get agree with a plain map under any order of changes, rotations and flushes', async () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
  const action = fc.oneof(
    fc.record({ type: fc.constant('put' as const), key, value: fc.integer({ min: 0, max: 99 }) }),
    fc.record({ type: fc.constant('delete' as const), key }),
    fc.record({ type: fc.constant('rotate' as const) }),
    fc.record({ type: fc.constant('flush' as const) }),
    fc.record({
      type: fc.constant('range' as const),
      from: key,
      to: key,
      limit: fc.option(fc.nat(4), { nil: undefined }),
      reverse: fc.boolean(),
    }),
    fc.record({ type: fc.constant('scan' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
      const store = await openState(volatileSource(), { cacheBytes: 400 })
      const model = new Map<string, string>()
      let applied = 0
      const sorted = (): [string, string][] => [...model].sort(([a], [b]) => (a < b ? -1 : 1))
      for (const step of actions) {
        if (step.type === 'put') {
          store.put(step.key, value(String(step.value)))
          model.set(step.key, String(step.value))
        } else if (step.type === 'delete') {
          store.delete(step.key)
          model.delete(step.key)
        } else if (step.type === 'rotate') store.rotate(logIndex(++applied))
        else if (step.type === 'flush') await flushed(store)
        else if (step.type === 'scan') expect(await everything(store)).toEqual(sorted())
        else {
          const { limit, reverse } = step
          const all = sorted().filter(([name]) => name >= step.from && name < step.to)
          if (reverse) all.reverse()
          const found = await store.range(step.from, step.to, { reverse, ...(limit === undefined ? {} : { limit }) })
          expect(found.map((pair) => [pair.key, text(pair.value)])).toEqual(all.slice(0, limit))
        }
        for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) expect(text(store.get(name))).toBe(model.get(name))
      }
      await store.close()
    }),
    { numRuns: 150 },
  )
})

test('after a crash the store is a prefix of its generations, or empty: never one with a hole', async () => {
  const outcomes = new Map<string, number>()
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed)
    const source = volatileSource()
    const store = await openState(source)
    const generations = 3 + Math.floor(random() * 12)
    for (let i = 1; i <= generations; i++) {
      store.put('last', value(String(i)))
      store.put(`only-${i}`, value(String(i)))
      store.rotate(logIndex(i))
      if (random() < 0.7) await flushed(store)
    }
    source.crash(random)
    const again = await openState(source)
    const reached = again.appliedIndex
    const expected: [string, string][] = Array.from({ length: reached }, (_, i) => [`only-${i + 1}`, String(i + 1)])
    if (reached > 0) expected.push(['last', String(reached)])
    expect(await everything(again)).toEqual(expected.sort(([a], [b]) => (a < b ? -1 : 1)))
    const outcome = again.rebuilt ?? (reached === 0 ? 'empty' : 'prefix')
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    await again.close()
  }
  // All three must have come up, or the test shows nothing.
  expect(outcomes.get('hole')).toBeGreaterThan(20)
  expect(outcomes.get('prefix')).toBeGreaterThan(20)
})

test('a value with a wrong checksum stops the reader, and the next start rebuilds', async () => {
  const source = volatileSource()
  const store = await openState(source, { cacheBytes: 0 })
  store.put('a', value('1'))
  store.put('b', value('2'))
  store.rotate(logIndex(1))
  await store.close()
  source.flipBit(dataKey('b'), 4)
  const damaged = await openState(source, { cacheBytes: 0 })
  expect(text(damaged.get('a'))).toBe('1')
  expect(() => damaged.get('b')).toThrowError(expect.objectContaining({ code: 'Corrupt' }))
  await expect(everything(damaged)).rejects.toMatchObject({ code: 'Corrupt' })
  source.kill()
  const rebuilt = await openState(source)
  expect([rebuilt.rebuilt, rebuilt.appliedIndex]).toEqual(['damaged', 0])
  expect(await everything(rebuilt)).toEqual([])
  await rebuilt.close()
})

test('a failed write is reported once and final; reads go on', async () => {
  const inner = await volatileSource().open()
  let failing = false
  const source: StateDatabaseSource = {
    open: async () => ({
      ...inner,
      batch: () => ({
        ...inner.batch(),
        write: () => (failing ? Promise.reject(new Error('disk')) : Promise.resolve()),
      }),
    }),
    destroy: async () => undefined,
  }
  const failures: KnhkError[] = []
  const store = await openState(source, { onFailed: (error) => void failures.push(error) })
  failing = true
  store.put('a', value('1'))
  store.rotate(logIndex(1))
  store.flush()
  await expect.poll(() => failures.length).toBe(1)
  expect(failures[0]?.code).toBe('StorageFailed')
  expect(text(store.get('a'))).toBe('1')
  expect(() => store.rotate(logIndex(2))).toThrowError(expect.objectContaining({ code: 'StorageFailed' }))
  await store.close()
})

test('markers of old flushes are retired, and the store still opens', async () => {
  const source = volatileSource()
  const store = await openState(source, { cacheBytes: 0 })
  const large = new Uint8Array(1024 * 1024)
  for (let i = 1; i <= 90; i++) {
    store.put('large', large)
    store.rotate(logIndex(i))
    await flushed(store)
  }
  await store.close()
  const again = await openState(source)
  expect([again.rebuilt, again.appliedIndex]).toEqual([null, 90])
  await again.close()
})

test('one process at a time has the database', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'knhk-lock-'))
  directories.push(directory)
  const first = await openState(classicSource(`${directory}/state`))
  await expect(openState(classicSource(`${directory}/state`))).rejects.toMatchObject({ code: 'DataDirectoryLocked' })
  await first.close()
  const second = await openState(classicSource(`${directory}/state`))
  await second.close()
})
