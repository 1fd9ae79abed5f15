/**
 * Shows that a cluster file keeps where its cluster comes from, and refuses a lineage that is none; and
 * that a directory is made whole or not at all.
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ClusterFile, formatClusterFile, parseClusterFile } from '../../src/cluster/cluster-file.js'
import { makeDirectoryWhole } from '../../src/cluster/new-directory.js'
import { DEFAULT_SETTINGS } from '../../src/consensus/configuration.js'
import { logIndex, nodeId } from '../../src/consensus/types.js'

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const members = [{ id: nodeId('n1'), publicKey: bytes(32, 1), address: '127.0.0.1:4001', zone: 'local' }]
const sample: ClusterFile = {
  clusterId: bytes(16, 2),
  protocol: 'raft',
  genesis: members,
  members,
  clients: [{ id: 'admin', publicKey: bytes(32, 3), role: 'admin' }],
  settings: DEFAULT_SETTINGS,
  lineage: {
    clusterId: bytes(16, 4),
    index: 77,
    chain: bytes(32, 5),
    timestampMs: 12,
    snapshot: bytes(32, 6),
    plan: null,
  },
  origin: { index: logIndex(77), chain: bytes(32, 5), timestampMs: 12 },
}

let base: string

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'knhk-lineage-'))
})
afterEach(() => rm(base, { recursive: true, force: true }))

test('a lineage survives the round trip', () => {
  expect(parseClusterFile(formatClusterFile(sample))).toEqual(sample)
  const recovered = { ...sample, lineage: { ...sample.lineage, snapshot: null, plan: bytes(32, 7) } } as ClusterFile
  expect(parseClusterFile(formatClusterFile(recovered))).toEqual(recovered)
  const { lineage: _, origin: __, ...plain } = sample
  expect(parseClusterFile(formatClusterFile(plain))).toEqual(plain)
})

test('a lineage that is none is refused with its place', () => {
  const text = formatClusterFile(sample)
  const spoilt = [
    text.replace('05'.repeat(32), '05'.repeat(31)),
    text.replace('index: 77', 'index: -1'),
    text.replace('index: 77', 'index: 77\n  note: x'),
    text.replace(/ {2}chain: .*\n/, ''),
  ]
  for (const wrong of spoilt) {
    expect(wrong).not.toBe(text)
    expect(() => parseClusterFile(wrong)).toThrowError(expect.objectContaining({ code: 'InvalidClusterFile' }))
  }
})

test('a directory is there whole or not at all', async () => {
  const path = join(base, 'made')
  const failing = makeDirectoryWhole(path, async (staging) => {
    await writeFile(join(staging, 'half'), 'x')
    throw new Error('in the middle')
  })
  await expect(failing).rejects.toThrow('in the middle')
  expect(await readdir(base)).toEqual([])

  // What a killed attempt left is no part of the next one.
  await mkdir(`${path}.unfinished`)
  await writeFile(join(`${path}.unfinished`, 'left'), 'x')
  await makeDirectoryWhole(path, (staging) => writeFile(join(staging, 'whole'), 'x'))
  expect(await readdir(path)).toEqual(['whole'])
  expect(await readdir(base)).toEqual(['made'])

  await expect(makeDirectoryWhole(path, async () => undefined)).rejects.toMatchObject({ code: 'Refused' })
  expect(await readdir(path)).toEqual(['whole'])
})
