/**
 * Shows that a torn tail and corruption are told apart as promised: only a bad last frame of an
 * unsealed log is torn and gets cut; everything else is corruption, keeps its evidence, and takes the
 * node's vote away. `log verify` and opening agree in every case.
 */
import { expect, test } from 'vitest'
import type { Entry } from '../../src/consensus/entry.js'
import { logIndex } from '../../src/consensus/types.js'
import { inspectLog } from '../../src/storage/log-inspect.js'
import { verifyLog } from '../../src/storage/log-verify.js'
import type { MemoryFiles } from '../../src/storage/memory-files.js'
import {
  freshFiles,
  LOG,
  LOOK,
  makeBody,
  makeEntries,
  open,
  segmentPath,
  storeEntries,
  storeVote,
} from './journal-fixture.js'

const PATH = segmentPath(1)

interface Written {
  readonly files: MemoryFiles
  readonly entries: Entry[]
  /** File size after each append. */
  readonly ends: number[]
}

/** Six frames of two entries each; the fourth carries a vote too. */
async function write(options: { readonly seal?: boolean; readonly segmentBytesMax?: number } = {}): Promise<Written> {
  const files = await freshFiles()
  const entries = makeEntries(null, 12, 1, (index) => makeBody(index, 1 + (index % 3), 40))
  const log = await open(files, options)
  const ends: number[] = []
  for (let i = 0; i < 6; i++) {
    const records = [storeEntries(entries.slice(2 * i, 2 * i + 2))]
    await log.append(i === 3 ? [storeVote(4, 'n3'), ...records] : records)
    ends.push(files.content(PATH).length)
  }
  if (options.seal === true) await log.close()
  return { files, entries, ends }
}

async function cut(files: MemoryFiles, path: string, length: number): Promise<void> {
  files.replace(path, files.content(path).slice(0, length))
}

test('a log cut at any byte of its last frame loses that frame and nothing else', async () => {
  const { files, ends } = await write()
  const whole = files.content(PATH)
  const [start, end] = [ends[4] as number, ends[5] as number]
  for (let length = start; length <= end; length++) {
    files.replace(PATH, whole.slice(0, length))
    const torn = length > start && length < end
    const verified = await verifyLog(files, LOG, LOOK)
    expect(verified).toMatchObject({ ok: true, lastIndex: length === end ? 12 : 10, problems: [] })
    const inspected = await inspectLog(files, LOG, LOOK)
    expect(inspected.tornTail).toEqual(
      torn ? { segment: '0000000000000001.seg', offset: start, bytes: length - start } : null,
    )
    expect(files.content(PATH)).toHaveLength(length)
    const log = await open(files)
    expect(log.restored).toMatchObject({
      mayVote: true,
      lastIndex: length === end ? 12 : 10,
      hardState: { term: 4, votedFor: 'n3' },
    })
    expect(log.report.cutTail !== null).toBe(torn)
    expect(files.content(PATH)).toHaveLength(length === end ? end : start)
  }
}, 60_000)

test('a flipped bit anywhere is a torn tail in the last frame and corruption elsewhere', async () => {
  const { files, ends } = await write()
  const whole = files.content(PATH)
  const lastFrame = ends[4] as number
  for (let offset = 0; offset < whole.length; offset++) {
    files.replace(PATH, whole)
    files.flipBit(PATH, offset, offset % 8)
    const damaged = files.content(PATH)
    const torn = offset >= lastFrame
    const log = await open(files)
    expect([offset, log.restored.mayVote]).toEqual([offset, torn])
    expect([offset, log.report.problems.length > 0]).toEqual([offset, !torn])
    const frames = ends.filter((end) => end <= offset).length
    expect([offset, log.lastIndex]).toEqual([offset, 2 * frames])
    if (!torn) {
      expect(Buffer.compare(files.content(PATH), damaged)).toBe(0)
      // The vote behind the damage still counts.
      const voteIsReadable = offset < (ends[2] as number) || offset >= (ends[3] as number)
      if (voteIsReadable) expect(log.restored.hardState).toMatchObject({ term: 4, votedFor: 'n3' })
    }
  }
}, 60_000)

test('log verify names damage in every region and goes on behind it', async () => {
  const { files, ends } = await write()
  const whole = files.content(PATH)
  for (let frame = 0; frame < 5; frame++) {
    const start = frame === 0 ? 192 : (ends[frame - 1] as number)
    for (const offset of [
      start,
      start + 5,
      start + 9,
      start + 33,
      start + 37,
      start + 44,
      start + 100,
      (ends[frame] as number) - 1,
    ]) {
      files.replace(PATH, whole)
      files.flipBit(PATH, offset, 3)
      const verified = await verifyLog(files, LOG, LOOK)
      expect(verified.ok).toBe(false)
      expect(verified.problems[0]).toEqual({
        index: 2 * frame + 1,
        segment: '0000000000000001.seg',
        offset: start,
        kind: 'frame',
      })
      expect([verified.entries, verified.lastIndex]).toEqual([10, 12])
      const { entries } = await inspectLog(files, LOG, LOOK)
      expect(entries.map((entry) => entry.index)).toEqual(
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].filter((index) => index <= 2 * frame || index > 2 * frame + 2),
      )
    }
  }
}, 60_000)

test('a sealed log that was cut short is corrupt, wherever it was cut', async () => {
  const { files, ends } = await write({ seal: true })
  const whole = files.content(PATH)
  expect(whole.length).toBe((ends[5] as number) + 56)
  for (const length of [
    whole.length - 1,
    whole.length - 20,
    ends[5] as number,
    (ends[5] as number) - 30,
    ends[3] as number,
    192,
    0,
  ]) {
    files.replace(PATH, whole.slice(0, length))
    expect(await verifyLog(files, LOG, LOOK)).toMatchObject({ ok: false })
    const log = await open(files)
    expect(log.restored.mayVote).toBe(false)
    expect(files.content(PATH)).toHaveLength(length)
  }
  files.replace(PATH, whole)
  const log = await open(files)
  expect(log.restored).toMatchObject({ mayVote: true, lastIndex: 12 })
  // It is open now: a crash may tear what comes next.
  await log.append([storeVote(9, null)])
  await cut(files, PATH, files.content(PATH).length - 1)
  expect((await open(files)).restored).toMatchObject({ mayVote: true, hardState: { term: 4 } })
})

test('a damaged seal marker is corruption', async () => {
  const { files } = await write({ seal: true })
  files.flipBit(`${LOG}/sealed`, 17, 2)
  expect((await verifyLog(files, LOG, LOOK)).problems).toMatchObject([{ kind: 'sealMarker' }])
  expect((await open(files)).restored.mayVote).toBe(false)
})

test('a closed segment, a lost segment and a lost last segment are corruption', async () => {
  const { files } = await write({ segmentBytesMax: 1500 })
  const names = (await files.readdir(LOG)).filter((name) => name.endsWith('.seg'))
  expect(names.length).toBeGreaterThan(3)
  const contents = names.map((name) => files.content(`${LOG}/${name}`))
  for (let i = 0; i < names.length; i++) {
    const path = `${LOG}/${names[i] as string}`
    const content = contents[i] as Uint8Array
    await files.unlink(path)
    expect([i, (await verifyLog(files, LOG, LOOK)).ok]).toEqual([i, false])
    expect([i, (await open(files)).restored.mayVote]).toEqual([i, false])
    const last = i === names.length - 1
    for (const length of last ? [0, 100, 191] : [0, 191, 192, content.length - 1, content.length - 56]) {
      files.replace(path, content.slice(0, length))
      expect([i, length, (await verifyLog(files, LOG, LOOK)).ok]).toEqual([i, length, false])
      expect([i, length, (await open(files)).restored.mayVote]).toEqual([i, length, false])
    }
    files.replace(path, content)
    expect((await open(files)).restored).toMatchObject({ mayVote: true, lastIndex: 12 })
  }
})

test('the applied state proves a lost tail', async () => {
  const { files, ends } = await write()
  await cut(files, PATH, (ends[5] as number) - 1)
  const log = await open(files, { provenIndex: 11 })
  expect(log.restored).toMatchObject({ mayVote: false, lastIndex: 10, commitIndex: 0 })
  expect(log.report.problems).toMatchObject([{ kind: 'provenLost', index: 11 }])
  expect(files.content(PATH)).toHaveLength((ends[5] as number) - 1)
})

test('behind damage the log goes on in a new segment, keeps the evidence, and may not vote after a restart either', async () => {
  const { files, entries, ends } = await write()
  files.flipBit(PATH, (ends[1] as number) + 60, 1)
  const evidence = files.content(PATH)
  const log = await open(files)
  expect([log.lastIndex, log.restored.mayVote]).toEqual([4, false])
  await log.append([storeEntries(entries.slice(4, 9))])
  await log.append([storeVote(6, null), storeEntries(entries.slice(9))])
  await log.close()
  for (let i = 0; i < 2; i++) {
    const again = await open(files, { provenIndex: 12 })
    expect(again.restored).toMatchObject({ lastIndex: 12, mayVote: false, hardState: { term: 6 } })
    expect(again.report.problems).toMatchObject([{ kind: 'damageResumed', segment: 1, offset: ends[1] }])
    expect((await again.read(logIndex(1), 1 << 20)).map((entry) => entry.index)).toEqual(
      entries.map((entry) => entry.index),
    )
    await again.close()
  }
  expect(files.content(PATH)).toEqual(evidence)
  expect((await files.readdir(LOG)).filter((name) => name.endsWith('.seg'))).toHaveLength(2)
  expect((await verifyLog(files, LOG, LOOK)).problems).toMatchObject([{ kind: 'damageResumed' }])
})

test('a log whose first header is damaged starts anew behind it', async () => {
  const { files, entries } = await write()
  files.flipBit(PATH, 100, 1)
  const log = await open(files)
  expect(log.restored).toMatchObject({ mayVote: false, lastIndex: 0, hardState: { term: 4, votedFor: 'n3' } })
  await log.append([storeEntries(entries)])
  const again = await open(files)
  expect(again.restored).toMatchObject({ mayVote: false, lastIndex: 12, hardState: { term: 4, votedFor: 'n3' } })
})

test('a segment that was made ready and never used is removed', async () => {
  const { files } = await write()
  const header = files.content(PATH).slice(0, 192)
  for (const leftover of [header, header.slice(0, 77), new Uint8Array(0), new Uint8Array(192)]) {
    files.replace(segmentPath(2), leftover)
    expect(await verifyLog(files, LOG, LOOK)).toMatchObject({ ok: true, lastIndex: 12 })
    expect((await open(files)).restored).toMatchObject({ mayVote: true, lastIndex: 12 })
    expect(await files.readdir(LOG)).toEqual(['0000000000000001.seg'])
  }
})

test('an entry behind the damage tells of its term where the vote is lost', async () => {
  const files = await freshFiles()
  const entries = makeEntries(null, 12, 5)
  const log = await open(files)
  await log.append([storeVote(5, 'n3')])
  const end = files.content(PATH).length
  for (const entry of entries) await log.append([storeEntries([entry])])
  files.flipBit(PATH, end - 10, 1)
  const damaged = await open(files)
  expect(damaged.restored).toMatchObject({ mayVote: false, lastIndex: 0, hardState: { term: 5, votedFor: null } })
  await damaged.append([storeEntries(entries)])
  await damaged.markRepaired()
  expect((await open(files)).restored).toMatchObject({ mayVote: true, lastIndex: 12, hardState: { term: 5 } })
})
