/**
 * Shows that a node's stores come up together: a state that was lost, or that a crash left behind the
 * log's base, is loaded from the newest snapshot inside the log, and without one the log is dropped.
 */
import { expect, test } from 'vitest'
import type { Entry } from '../../src/consensus/entry.js'
import { logIndex } from '../../src/consensus/types.js'
import type { StatePair } from '../../src/node/ports.js'
import { formatDataDirectory } from '../../src/storage/data-directory.js'
import type { FileOperation, MemoryFiles } from '../../src/storage/memory-files.js'
import { type NodeStorage, openNodeStorage } from '../../src/storage/node-storage.js'
import type { VolatileSource } from '../../src/storage/volatile-database.js'
import { seededRandom } from '../random.js'
import {
  baseAt,
  IDENTITY,
  makeEntries,
  memoryFiles,
  storeBase,
  storeEntries,
  storeSafety,
  storeVote,
} from './journal-fixture.js'
import { flushed, volatileSource } from './state-fixture.js'

const entries = makeEntries(null, 60)
const base = (index: number) => baseAt(entries[index - 1] as Entry)
const digests = async () => ({ stateDigest: new Uint8Array(32).fill(1), dataDigest: new Uint8Array(32).fill(2) })

function start(files: MemoryFiles, source: VolatileSource): Promise<NodeStorage> {
  return openNodeStorage({
    files,
    path: 'data',
    ...IDENTITY,
    source,
    nextTurn: (callback) => void setImmediate(callback),
    onFailed: (error) => {
      throw error
    },
  })
}
/** The state after `index`: one key for each entry. */
async function* stateAt(index: number): AsyncGenerator<StatePair> {
  for (let i = 1; i <= index; i++) yield { key: `e${String(i).padStart(3, '0')}`, value: new Uint8Array([i]) }
}
/** As a walk gives them. */
async function* inPieces(pairs: AsyncIterable<StatePair>): AsyncGenerator<readonly StatePair[]> {
  for await (const pair of pairs) yield [pair]
}
async function keys(storage: NodeStorage): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of storage.state.scan()) found.push(key)
  return found
}
const snapshot = (storage: NodeStorage, index: number) =>
  storage.snapshots.create({ base: base(index), clusterId: IDENTITY.clusterId }, inPieces(stateAt(index)), digests)

/** Forty entries, thirty applied, snapshots at 10 and 30, the log begins after 20. */
async function filled(
  files = memoryFiles(),
): Promise<{ files: MemoryFiles; source: VolatileSource; storage: NodeStorage }> {
  await formatDataDirectory(files, 'data', { ...IDENTITY, createdAtMs: 5 })
  const source = volatileSource()
  const storage = await start(files, source)
  await storage.log.append([storeEntries(entries.slice(0, 40))])
  await storage.state.replace(logIndex(30), stateAt(30))
  await snapshot(storage, 10)
  await snapshot(storage, 30)
  await storage.log.append([storeBase(base(20))])
  return { files, source, storage }
}

test('a whole state is kept, and the newest snapshot is handed on', async () => {
  const { files, source, storage } = await filled()
  await flushed(storage.state)
  await storage.close()
  const again = await start(files, source)
  expect([again.loaded, again.state.appliedIndex]).toEqual([null, 30])
  expect(again.log.restored).toMatchObject({ base: { index: 20 }, commitIndex: 30, snapshot: { base: { index: 30 } } })
  await again.close()
})

test('evidence is kept beside the log', async () => {
  const { files, source, storage } = await filled()
  const id = new Uint8Array(32).fill(4)
  await storage.evidence.put(id, new Uint8Array(9))
  await storage.close()
  files.crash()
  const again = await start(files, source)
  expect(await again.evidence.read(id)).toEqual(new Uint8Array(9))
  expect(again.directory.evidenceDirectory).toBe('data/evidence')
  await again.close()
})

test('a lost state is loaded from the newest snapshot inside the log', async () => {
  const { files, storage } = await filled()
  // Fetched, but the log does not know of it yet.
  await snapshot(storage, 55)
  files.crash()
  const again = await start(files, volatileSource())
  expect([again.loaded?.base.index, again.state.appliedIndex]).toEqual([30, 30])
  expect(await keys(again)).toHaveLength(30)
  expect(again.log.restored).toMatchObject({ snapshot: { base: { index: 30 } }, lastIndex: 40, commitIndex: 30 })
  await again.close()
})

test('a crash between the new base and the new state loads the snapshot that was installed', async () => {
  const { files, source, storage } = await filled()
  await snapshot(storage, 55)
  await storage.log.append([storeBase(base(55))])
  files.kill()
  source.kill()
  const again = await start(files, source)
  expect([again.loaded?.base.index, again.state.appliedIndex, again.log.lastIndex]).toEqual([55, 55, 55])
  expect(await keys(again)).toHaveLength(55)
  await again.close()
  const last = await start(files, source)
  expect([last.loaded, last.state.appliedIndex, last.state.rebuilt]).toEqual([null, 55, null])
  await last.close()
})

/** Neither the state nor a snapshot of it is left. */
async function bereft(files: MemoryFiles, storage: NodeStorage): Promise<void> {
  for (const name of await files.readdir('data/snapshots')) files.flipBit(`data/snapshots/${name}`, 200, 1)
  await storage.close()
}

test('without a state and without a sound snapshot the log is dropped, but for term and vote', async () => {
  const { files, storage } = await filled()
  await storage.log.append([storeVote(7, 'n2')])
  await bereft(files, storage)
  const source = volatileSource()
  const again = await start(files, source)
  expect([again.droppedBase, again.loaded, again.state.appliedIndex]).toEqual([20, null, 0])
  const anew = {
    base: { index: 0 },
    lastIndex: 0,
    commitIndex: 0,
    snapshot: null,
    mayVote: false,
    hardState: { term: 7 },
  }
  expect(again.log.restored).toMatchObject({ ...anew, hardState: { votedFor: 'n2' } })
  // Nothing but a repair makes it whole.
  files.crash()
  source.kill()
  const third = await start(files, source)
  expect(third.droppedBase).toBeNull()
  expect(third.log.restored).toMatchObject(anew)
  await third.log.append([storeBase(base(30)), storeEntries(entries.slice(30, 40))])
  await third.state.replace(logIndex(30), stateAt(30))
  await third.log.markRepaired()
  await flushed(third.state)
  await third.close()
  const whole = await start(files, source)
  expect(whole.log.restored).toMatchObject({
    base: { index: 30 },
    lastIndex: 40,
    mayVote: true,
    hardState: { term: 7 },
  })
  await whole.close()
})

const CHANGES = new Set<FileOperation>(['open', 'append', 'datasync', 'rename', 'unlink', 'syncDirectory'])

test('a crash at any change of a file while the log is dropped leaves the old log or the empty one', async () => {
  let left = Number.POSITIVE_INFINITY
  for (let steps = 1, isWhole = false; !isWhole; steps++) {
    const random = seededRandom(steps)
    const { files, storage } = await filled(
      memoryFiles({
        random,
        fault: (operation, path) =>
          path.startsWith('data/log') && CHANGES.has(operation) && --left === 0
            ? { kind: 'error', code: 'EIO' }
            : undefined,
      }),
    )
    await storage.log.append([storeVote(7, 'n2')])
    await bereft(files, storage)
    left = steps
    const first = await start(files, volatileSource()).catch(() => null)
    isWhole = left > 0
    left = Number.POSITIVE_INFINITY
    expect(first === null).toBe(!isWhole)
    files.crash()
    const again = await start(files, volatileSource())
    expect(again.log.restored).toMatchObject({ lastIndex: 0, mayVote: false, hardState: { term: 7, votedFor: 'n2' } })
    await again.close()
  }
})

test('a log with safety records is kept though nothing gives its state: nobody else knows what was promised', async () => {
  const { files, storage } = await filled()
  await storage.log.append([storeSafety(1)])
  await bereft(files, storage)
  const again = await start(files, volatileSource())
  expect(again.log.restored.safety).not.toBeNull()
  expect(again.state.appliedIndex).toBeLessThan(again.log.restored.base.index)
  await again.close()
})
