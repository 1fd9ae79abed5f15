/**
 * Shows that a damaged log counts as whole once it was marked as repaired and not before, through
 * restarts, compaction and reset, and that new damage is still found, at the old place too.
 */
import { expect, test } from 'vitest'
import type { Entry } from '../../src/consensus/entry.js'
import { logIndex } from '../../src/consensus/types.js'
import { verifyLog } from '../../src/storage/log-verify.js'
import type { MemoryFiles } from '../../src/storage/memory-files.js'
import type { SegmentedLog } from '../../src/storage/segmented-log.js'
import {
  baseAt,
  freshFiles,
  LOG,
  LOOK,
  makeEntries,
  open,
  segmentPath,
  storeBase,
  storeEntries,
  storeVote,
} from './journal-fixture.js'

const entries = makeEntries(null, 12)

/** Twelve entries in six frames, the third damaged. */
async function damaged(): Promise<{ files: MemoryFiles; log: SegmentedLog; ends: number[] }> {
  const files = await freshFiles()
  const log = await open(files)
  const ends: number[] = []
  for (let i = 0; i < 12; i += 2) {
    await log.append([storeVote(i + 1, 'n3'), storeEntries(entries.slice(i, i + 2))])
    ends.push(files.content(segmentPath(1)).length)
  }
  files.flipBit(segmentPath(1), (ends[1] as number) + 70, 1)
  return { files, log: await open(files), ends }
}

test('damage counts until it is marked as repaired, and the evidence stays', async () => {
  const { files, log } = await damaged()
  const evidence = files.content(segmentPath(1))
  expect(log.restored).toMatchObject({ mayVote: false, lastIndex: 4, commitIndex: 0, hardState: { term: 11 } })
  await log.append([storeEntries(entries.slice(4))])
  await log.close()
  const again = await open(files, { provenIndex: 12 })
  expect(again.restored).toMatchObject({ mayVote: false, lastIndex: 12 })
  const marking = again.markRepaired()
  await again.append([storeVote(20, 'n1')])
  await marking
  files.crash()
  for (let i = 0; i < 2; i++) {
    const whole = await open(files, { provenIndex: 12 })
    expect(whole.restored).toMatchObject({ mayVote: true, lastIndex: 12, commitIndex: 12, hardState: { term: 20 } })
    expect(whole.report).toMatchObject({ problems: [], repaired: [{ segment: 1 }] })
    expect((await whole.read(logIndex(1), 1 << 20)).map((entry) => entry.index)).toEqual(entries.map((e) => e.index))
    expect(await verifyLog(files, LOG, LOOK)).toMatchObject({
      ok: true,
      repaired: [{ segment: '0000000000000001.seg' }],
    })
    await whole.close()
  }
  expect(files.content(segmentPath(1))).toEqual(evidence)
})

test.each(['the sync of its header failed', 'the sync of its name failed'] as const)(
  'a segment behind damage is durable although %s when it was made',
  async (what) => {
    let failing: string | null = null
    const files = await freshFiles({
      // Nothing that is not synced survives.
      random: () => 0.9,
      fault: (operation) => {
        if (operation !== failing) return undefined
        failing = null
        return { kind: 'error', code: 'EIO' }
      },
    })
    const log = await open(files)
    await log.append([storeVote(1, 'n3'), storeEntries(entries.slice(0, 4))])
    const end = files.content(segmentPath(1)).length
    await log.append([storeEntries(entries.slice(4, 6))])
    await log.append([storeEntries(entries.slice(6, 8))])
    files.flipBit(segmentPath(1), end + 70, 1)
    const damagedLog = await open(files)
    failing = what === 'the sync of its header failed' ? 'datasync' : 'syncDirectory'
    await expect(damagedLog.append([storeEntries(entries.slice(4, 6))])).rejects.toMatchObject({
      code: 'StorageFailed',
    })
    files.kill()
    if (what === 'the sync of its header failed') await files.syncDirectory(LOG)
    const again = await open(files)
    await again.append([storeVote(7, 'n2'), storeEntries(entries.slice(4))])
    files.crash()
    const last = await open(files)
    expect(last.restored).toMatchObject({ lastIndex: 12, hardState: { term: 7, votedFor: 'n2' } })
    expect(last.report.problems).toMatchObject([{ kind: 'damageResumed' }])
  },
)

test('a repair without a single new entry holds', async () => {
  const files = await freshFiles()
  const log = await open(files)
  await log.append([storeVote(4, 'n2'), storeEntries(entries)])
  await log.close()
  files.flipBit(`${LOG}/sealed`, 20, 1)
  const damagedLog = await open(files)
  expect(damagedLog.restored).toMatchObject({ mayVote: false, lastIndex: 12 })
  await damagedLog.markRepaired()
  files.crash()
  const whole = await open(files)
  expect(whole.restored).toMatchObject({ mayVote: true, lastIndex: 12, hardState: { term: 4, votedFor: 'n2' } })
  await whole.close()
  expect((await verifyLog(files, LOG, LOOK)).ok).toBe(true)
})

test('new damage is found after a repair, elsewhere and at the same place', async () => {
  for (const where of ['before', 'behind', 'same'] as const) {
    const { files, log, ends } = await damaged()
    await log.append([storeEntries(entries.slice(4, 8))])
    await log.append([storeEntries(entries.slice(8, 10))])
    await log.append([storeEntries(entries.slice(10))])
    await log.markRepaired()
    await log.close()
    if (where === 'before') files.flipBit(segmentPath(1), (ends[0] as number) + 50, 2)
    else if (where === 'behind') files.flipBit(segmentPath(2), 400, 2)
    else {
      // The segment with everything that was fetched again is gone, and so is the seal's word for it.
      await files.unlink(segmentPath(2))
      await files.unlink(`${LOG}/sealed`)
    }
    expect((await verifyLog(files, LOG, LOOK)).ok).toBe(false)
    const found = await open(files)
    expect([where, found.restored.mayVote]).toEqual([where, false])
    await found.append([storeEntries(entries.slice(found.lastIndex))])
    await found.close()
    const again = await open(files)
    expect([where, again.restored.mayVote, again.lastIndex]).toEqual([where, false, 12])
    await again.markRepaired()
    await again.close()
    expect((await open(files)).restored).toMatchObject({ mayVote: true, lastIndex: 12 })
  }
})

test('damage outlives the segments that show it: compaction and reset do not repair', async () => {
  for (const kind of ['compaction', 'reset'] as const) {
    const { files, log } = await damaged()
    await log.append([storeEntries(entries.slice(4))])
    const later = makeEntries(null, 40)
    await log.append([storeBase(baseAt((kind === 'compaction' ? entries[10] : later[30]) as (typeof entries)[number]))])
    expect(await files.stat(segmentPath(1))).toBeNull()
    await log.close()
    const again = await open(files)
    expect([kind, again.restored.mayVote]).toEqual([kind, false])
    expect(again.report.problems).toMatchObject([{ kind: 'damageResumed', segment: 1 }])
    await again.markRepaired()
    await again.close()
    const whole = await open(files)
    expect(whole.restored).toMatchObject({ mayVote: true, hardState: { term: 11 } })
    expect((await verifyLog(files, LOG, LOOK)).ok).toBe(true)
  }
})

test('a loss that only a leader knew of is remembered until it is repaired, and again the next time', async () => {
  const files = await freshFiles()
  let log = await open(files)
  await log.append([storeVote(3, 'n2'), storeEntries(entries)])
  for (let i = 0; i < 2; i++) {
    await log.markDamaged()
    files.crash()
    log = await open(files, { provenIndex: 12 })
    expect(log.restored).toMatchObject({ mayVote: false, lastIndex: 12, commitIndex: 0, hardState: { term: 3 } })
    // Compaction does not make it forget.
    await log.append([storeBase(baseAt(entries[4 + i] as Entry))])
    await log.close()
    log = await open(files)
    expect(log.restored.mayVote).toBe(false)
    await log.markRepaired()
    files.crash()
    log = await open(files)
    expect(log.restored).toMatchObject({ mayVote: true, lastIndex: 12, hardState: { term: 3 } })
  }
  await log.close()
  expect((await verifyLog(files, LOG, LOOK)).ok).toBe(true)
})

test('a loss made good is forgotten by compaction, and does not excuse the next one', async () => {
  const files = await freshFiles()
  let log = await open(files)
  await log.append([storeVote(3, 'n2'), storeEntries(entries)])
  for (let i = 0; i < 3; i++) {
    await log.markDamaged()
    await log.close()
    log = await open(files)
    expect([i, log.restored.mayVote]).toEqual([i, false])
    await log.markRepaired()
    // The base is written anew without the damage that was repaired; what names it as repaired stays behind.
    await log.append([storeBase(baseAt(entries[4 + i] as Entry))])
    await log.close()
    log = await open(files)
    expect([i, log.restored.mayVote]).toEqual([i, true])
  }
  await log.startOver()
  await log.close()
  log = await open(files)
  expect(log.restored).toMatchObject({ mayVote: false, lastIndex: 0, hardState: { term: 3 } })
  await log.close()
})

test('unrepaired damage is named once, however often the log is opened and compacted', async () => {
  const { files, log } = await damaged()
  await log.append([storeEntries(entries.slice(4))])
  const sizes: number[] = []
  for (let i = 0; i < 4; i++) {
    const again = await open(files)
    await again.append([storeBase(baseAt(entries[5 + i] as Entry))])
    sizes.push(files.content(`${LOG}/base`).length)
    await again.close()
  }
  expect(new Set(sizes).size).toBe(1)
})
