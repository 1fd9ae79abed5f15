/**
 * Shows that the offline tools give the promised shapes, recompute what they claim to, never write, and
 * read the log of a running node without calling it damaged.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { readU32, toHex, writeU32 } from '../../src/base/bytes.js'
import { computeBatchDigest } from '../../src/consensus/batch-digest.js'
import { computeChain, type Entry, makeEntry } from '../../src/consensus/entry.js'
import { encodeMembership } from '../../src/consensus/membership.js'
import { logIndex, nodeId } from '../../src/consensus/types.js'
import { FRAME_HEADER_BYTES, FrameHeader } from '../../src/storage/frame.js'
import { inspectLog } from '../../src/storage/log-inspect.js'
import { verifyLog } from '../../src/storage/log-verify.js'
import { createLog, openLog } from '../../src/storage/open-log.js'
import { realFiles } from '../../src/storage/real-files.js'
import {
  certified,
  freshFiles,
  IDENTITY,
  LOG,
  LOOK,
  makeBody,
  makeEntries,
  open,
  segmentPath,
  sha256,
  storeEntries,
} from './journal-fixture.js'

const PATH = segmentPath(1)

test('inspect shows what contracts promise of each entry', async () => {
  const files = await freshFiles()
  const log = await open(files)
  expect(await inspectLog(files, LOG, LOOK)).toEqual({ entries: [], firstIndex: null, lastIndex: null, tornTail: null })
  const entries = makeEntries(null, 8, 3, (index) => makeBody(index, index))
  await log.append([storeEntries(entries)])
  const third = entries[2] as Entry
  const found = await inspectLog(files, LOG, { ...LOOK, from: 3, to: 6, limit: 3 })
  expect(found).toMatchObject({ firstIndex: 1, lastIndex: 8, tornTail: null })
  expect(found.entries.map((entry) => entry.index)).toEqual([3, 4, 5])
  expect(found.entries[0]).toEqual({
    index: 3,
    epoch: 0,
    term: 3,
    view: null,
    kind: 'data',
    timestampMs: 1003,
    bytes: 176 + third.body.length,
    operations: 3,
    chain: toHex(third.chain),
    batchDigest: toHex(third.batchDigest),
  })
  await expect(inspectLog(files, 'data/none')).rejects.toMatchObject({ code: 'NotFound' })
})

test('a sealed log without any segment is corrupt, not absent', async () => {
  const files = await freshFiles()
  const log = await open(files)
  await log.append([storeEntries(makeEntries(null, 3))])
  await log.close()
  await files.unlink(PATH)
  expect((await verifyLog(files, LOG, LOOK)).problems).toMatchObject([{ kind: 'sealedShort' }])
})

/** Rewrites the only frame of a log and mends its checksum: what a bug or an attacker with the disk could leave. */
async function forged(
  change: (payload: Uint8Array, entries: Entry[]) => void,
  entries = makeEntries(null, 3),
): Promise<ReturnType<typeof freshFiles>> {
  const files = await freshFiles()
  const log = await open(files)
  await log.append([storeEntries(entries)])
  const content = files.content(PATH)
  const frame = new FrameHeader()
  frame.load(content, 192)
  const payload = content.subarray(192 + FRAME_HEADER_BYTES, 192 + FRAME_HEADER_BYTES + frame.payloadLength)
  change(payload, entries)
  const seed = readU32(content, 188)
  writeU32(content, 192 + 36, crc32(payload, crc32(content.subarray(192, 192 + 36), seed)))
  files.replace(PATH, content)
  return files
}

/** The first record of a segment is the repeated hard state; the first entry's header follows it. */
function firstEntryAt(payload: Uint8Array): number {
  return 8 + readU32(payload, 4) + 8
}

test('verify recomputes digests and chains; opening checks that they join', async () => {
  const body = await forged(
    (payload) => void payload.fill(9, firstEntryAt(payload) + 176 + 80, firstEntryAt(payload) + 176 + 82),
  )
  expect((await verifyLog(body, LOG, LOOK)).problems).toMatchObject([
    { index: 1, offset: 192, kind: 'batchDigestWrong' },
  ])
  const time = await forged((payload) => void payload.fill(99, firstEntryAt(payload) + 24, firstEntryAt(payload) + 25))
  expect((await verifyLog(time, LOG, LOOK)).problems).toMatchObject([{ index: 1, kind: 'chainWrong' }])
  const joint = await forged((payload) => {
    const at = firstEntryAt(payload)
    payload[at + 112] = 77
    const chain = computeChain(
      sha256,
      payload.subarray(at + 112, at + 144),
      { epoch: 0, index: 1, timestampMs: 1001 } as Entry,
      payload.subarray(at + 80, at + 112),
    )
    payload.set(chain, at + 144)
  })
  expect((await verifyLog(joint, LOG, LOOK)).problems.map((problem) => [problem.index, problem.kind])).toEqual([
    [1, 'chainBroken'],
    [2, 'chainBroken'],
  ])
  expect((await open(joint)).restored).toMatchObject({ mayVote: false, lastIndex: 0 })
})

test('a record of an unknown kind is an error, never skipped', async () => {
  for (const kind of [11, 0, 255]) {
    const files = await forged((payload) => void payload.fill(kind, 0, 1))
    expect((await verifyLog(files, LOG, LOOK)).problems).toMatchObject([{ kind: 'recordUnknown' }])
    await expect(open(files)).rejects.toMatchObject({ code: 'UnsupportedFormat' })
    expect((await inspectLog(files, LOG, LOOK)).entries).toHaveLength(3)
  }
})

test('a certificate that does not lie behind its entry is corruption', async () => {
  const astray = await forged((payload) => void payload.fill(4, 0, 1))
  expect((await verifyLog(astray, LOG, LOOK)).problems).toMatchObject([{ kind: 'record' }])
  expect((await open(astray)).restored).toMatchObject({ mayVote: false, lastIndex: 0 })
  const entries = certified(makeEntries(null, 3))
  const another = await forged((payload) => {
    const at = firstEntryAt(payload)
    // The index in the certificate's record.
    payload[at + readU32(payload, at - 4) + 8] = 2
  }, entries)
  expect((await verifyLog(another, LOG, LOOK)).problems).toMatchObject([{ index: 2, kind: 'record' }])
  expect((await open(another)).restored).toMatchObject({ mayVote: false, lastIndex: 0 })
})

test('verify asks the caller about every entry, with the configuration that decided it', async () => {
  const files = await freshFiles()
  const log = await open(files)
  const voter = { publicKey: new Uint8Array(32), zone: '', role: 'voter', wasVoter: false, promote: false } as const
  const membership = { joint: false, members: [{ ...voter, id: nodeId('n1'), address: 'a:1' }] }
  const first = certified(makeEntries(null, 3))
  const body = encodeMembership(membership)
  const batchDigest = computeBatchDigest(sha256, 'membership', body)
  const last = first[2] as Entry
  const fields = { ...last, index: logIndex(4), kind: 'membership' as const, batchDigest, previousChain: last.chain }
  const change = makeEntry(sha256, fields, body, new Uint8Array(5))
  await log.append([storeEntries([...first, change, ...makeEntries(change, 2)])])
  const asked: [number, number | null, number | null][] = []
  const verified = await verifyLog(files, LOG, {
    ...LOOK,
    verifyCertificate: async (entry, decidedBy) => {
      asked.push([entry.index, entry.certificate?.length ?? null, decidedBy?.members.length ?? null])
      return entry.index === 2 || entry.certificate === null ? 'not proven' : null
    },
  })
  expect(asked).toEqual([
    [1, 50, null],
    [2, 50, null],
    [3, 50, null],
    [4, 5, null],
    [5, null, 1],
    [6, null, 1],
  ])
  expect(verified).toMatchObject({ ok: false, entries: 6, certificates: 4 })
  expect(verified.problems.map(({ index, segment, kind }) => [index, segment, kind])).toEqual(
    [2, 5, 6].map((index) => [index, '0000000000000001.seg', 'certificate']),
  )
  // Nobody to ask: they are counted.
  expect(await verifyLog(files, LOG, LOOK)).toMatchObject({ ok: true, certificates: 4 })
})

test('a log of another node, cluster or incarnation, or of a newer format is refused', async () => {
  const files = await freshFiles()
  for (const identity of [{ nodeId: 'n2' }, { clusterId: new Uint8Array(16) }, { incarnation: new Uint8Array(16) }]) {
    await expect(open(files, { identity: { ...IDENTITY, ...identity } })).rejects.toMatchObject({
      code: 'IdentityMismatch',
    })
  }
  const header = files.content(PATH)
  header[8] = 2
  writeU32(header, 188, crc32(header.subarray(0, 188)))
  files.replace(PATH, header)
  await expect(open(files)).rejects.toMatchObject({ code: 'UnsupportedFormat' })
  await expect(verifyLog(files, LOG)).rejects.toMatchObject({ code: 'UnsupportedFormat' })
  await files.unlink(PATH)
  await expect(open(files)).rejects.toMatchObject({ code: 'DataDirectoryLost' })
})

test('entries of another cluster are named', async () => {
  const [good] = makeEntries(null, 1)
  const entry = makeEntry(sha256, { ...(good as Entry), clusterId: new Uint8Array(16).fill(1) }, (good as Entry).body)
  const files = await forged(() => undefined, [entry])
  expect((await open(files)).report.problems).toMatchObject([{ index: 1, kind: 'entryForeign' }])
  expect((await verifyLog(files, LOG, LOOK)).problems).toMatchObject([{ index: 1, kind: 'entryForeign' }])
})

test('the log of a running node is read while it is written, over many changes of segments', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'knhk-live-'))
  const files = realFiles()
  await createLog(files, directory, IDENTITY)
  const log = await openLog({ files, directory, identity: IDENTITY, segmentBytesMax: 20_000 })
  let last: Entry | null = null
  let writing = true
  const writer = (async (): Promise<void> => {
    for (let batch = 0; batch < 200; batch++) {
      const entries = makeEntries(last, 3, 1, (index) => makeBody(index, 2, 500))
      last = entries.at(-1) ?? null
      await log.append([storeEntries(entries)])
    }
    writing = false
  })()
  while (writing) {
    const before = log.lastIndex
    const verified = await verifyLog(files, directory)
    expect(verified.problems).toEqual([])
    expect(verified.lastIndex ?? 0).toBeGreaterThanOrEqual(before)
    const inspected = await inspectLog(files, directory, { from: before, limit: 5 })
    expect(inspected.tornTail).toBeNull()
  }
  await writer
  await log.close()
  expect((await verifyLog(files, directory)).ok).toBe(true)
  expect((await files.readdir(directory)).length).toBeGreaterThan(3)
  await rm(directory, { recursive: true })
}, 60_000)
