/**
 * Shows that the certificate of a checkpoint lies beside its snapshot: durable once attached, listed
 * after a restart, gone with the snapshot, never taken for another's, and no reason to doubt the
 * snapshot where it is damaged.
 */
import { expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import type { Entry } from '../../src/consensus/entry.js'
import type { SnapshotInfo, StatePair } from '../../src/node/ports.js'
import type { MemoryFiles } from '../../src/storage/memory-files.js'
import { type FileSnapshotStore, openSnapshotStore } from '../../src/storage/snapshot-store.js'
import { seededRandom } from '../random.js'
import { baseAt, IDENTITY, makeEntries, memoryFiles } from './journal-fixture.js'

const DIRECTORY = 'data/snapshots'
const { clusterId } = IDENTITY
const entries = makeEntries(null, 40)
const digests = async () => ({ stateDigest: new Uint8Array(32).fill(1), dataDigest: new Uint8Array(32).fill(2) })
const certificate = (seed: number): Uint8Array => new Uint8Array(300).fill(seed)

function openSnapshots(files: MemoryFiles): Promise<FileSnapshotStore> {
  return openSnapshotStore({
    files,
    directory: DIRECTORY,
    clusterId,
    nextTurn: (callback) => void setImmediate(callback),
  })
}
async function* pairs(): AsyncGenerator<StatePair[]> {
  yield [{ key: '\x01a', value: new Uint8Array(50) }]
}
const take = (store: FileSnapshotStore, index: number): Promise<SnapshotInfo> =>
  store.create({ base: baseAt(entries[index - 1] as Entry), clusterId }, pairs(), digests)
const envelopeOf = ({ base: { index }, id }: SnapshotInfo): string =>
  `${DIRECTORY}/${index.toString(16).padStart(16, '0')}-${toHex(id).slice(0, 16)}.snap.cert`
const certificatesOf = (store: FileSnapshotStore): (number | null)[] =>
  store.list().map((snapshot) => snapshot.certificate?.[0] ?? null)

test('an attached certificate is listed, replaced by a later one, and goes with its snapshot', async () => {
  const files = memoryFiles()
  const store = await openSnapshots(files)
  const [first, second] = [await take(store, 5), await take(store, 9)]
  expect(certificatesOf(store)).toEqual([null, null])
  await store.attach(first.id, certificate(1))
  await store.attach(second.id, certificate(2))
  await store.attach(first.id, certificate(3))
  expect(store.list()[0]?.certificate).toEqual(certificate(3))
  files.crash()
  const again = await openSnapshots(files)
  expect(certificatesOf(again)).toEqual([3, 2])
  // The same snapshot, taken or received once more, keeps it.
  await take(again, 5)
  expect((await (await again.receive(first)).finish()).certificate).toEqual(certificate(3))
  expect(certificatesOf(again)).toEqual([3, 2])
  await again.retain(({ base }) => base.index === 9)
  expect(await files.stat(envelopeOf(first))).toBeNull()
  expect(await files.readdir(DIRECTORY)).toHaveLength(2)
  await again.attach(first.id, certificate(4))
  expect(await files.readdir(DIRECTORY)).toHaveLength(2)
})

test('two certificates for one snapshot at once are written one after the other', async () => {
  const files = memoryFiles()
  const store = await openSnapshots(files)
  const { id } = await take(store, 5)
  await Promise.all([store.attach(id, certificate(1)), store.attach(id, certificate(2))])
  expect(certificatesOf(store)).toEqual([2])
  files.crash()
  expect(certificatesOf(await openSnapshots(files))).toEqual([2])
})

test('a certificate for a snapshot that is removed meanwhile leaves nothing behind', async () => {
  const files = memoryFiles()
  const store = await openSnapshots(files)
  const info = await take(store, 5)
  const attaching = store.attach(info.id, certificate(1))
  await store.retain(() => false)
  await attaching
  expect(await files.readdir(DIRECTORY)).toEqual([])
})

test('a crash at any file operation leaves the old certificate, the new one, or with the snapshot none', async () => {
  for (const change of ['attach', 'retain'] as const) {
    const outcomes = new Set<string>()
    let done = false
    for (let stopAt = 1; !done; stopAt++) {
      for (let seed = 1; seed <= 8; seed++) {
        let counted = Number.NEGATIVE_INFINITY
        const files = memoryFiles({
          random: seededRandom(seed * 50 + stopAt),
          fault: () => (++counted >= stopAt ? { kind: 'error', code: 'EIO', keptBytes: seed * 30 } : undefined),
        })
        const store = await openSnapshots(files)
        const info = await take(store, 5)
        await store.attach(info.id, certificate(1))
        counted = 0
        const work = change === 'attach' ? store.attach(info.id, certificate(2)) : store.retain(() => false)
        done = await work.then(
          () => true,
          () => false,
        )
        counted = Number.NEGATIVE_INFINITY
        if (seed % 2 === 0) files.kill()
        else files.crash()
        const note = `${change}, operation ${stopAt}, seed ${seed}`
        for (let start = 0; start < 2; start++) {
          const again = await openSnapshots(files)
          expect([note, again.problems]).toEqual([note, []])
          const found = certificatesOf(again)
          const allowed = change === 'attach' ? [[1], [2]] : [[1], []]
          expect([note, allowed.map(String)]).toEqual([note, expect.arrayContaining([String(found)])])
          if (done) expect([note, found]).toEqual([note, change === 'attach' ? [2] : []])
          const names = await files.readdir(DIRECTORY)
          expect([note, names.filter((name) => name.includes('.cert')).length]).toEqual([
            note,
            found.filter((one) => one !== null).length,
          ])
          outcomes.add(String(found))
          files.crash()
        }
      }
    }
    expect(outcomes.size).toBeGreaterThan(1)
  }
})

test('a damaged certificate, or that of another snapshot, is dropped; the snapshot stays', async () => {
  const files = memoryFiles()
  const store = await openSnapshots(files)
  const [first, second] = [await take(store, 5), await take(store, 9)]
  await store.attach(first.id, certificate(1))
  await store.attach(second.id, certificate(2))
  const whole = files.content(envelopeOf(first))
  const cases = [...whole.keys()]
    .filter((offset) => offset % 9 === 0)
    .map((offset) => () => {
      files.flipBit(envelopeOf(first), offset, offset % 8)
    })
  cases.push(() => files.replace(envelopeOf(first), files.content(envelopeOf(second))))
  for (const damage of cases) {
    files.replace(envelopeOf(first), whole)
    damage()
    const again = await openSnapshots(files)
    expect([again.problems.length, certificatesOf(again)]).toEqual([1, [null, 2]])
    await again.attach(first.id, certificate(3))
    expect(certificatesOf(await openSnapshots(files))).toEqual([3, 2])
  }
})
