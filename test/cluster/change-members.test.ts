/**
 * Shows that a cluster file follows the members of its cluster without losing a word of what somebody
 * wrote into it, that the configuration of the beginning stays known, and that its hash never changes.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { addMemberToClusterFile, markMemberRemoved, setMemberAddress } from '../../src/cluster/change-members.js'
import { formatClusterFile, parseClusterFile, readClusterFile } from '../../src/cluster/cluster-file.js'
import { type ClusterConfiguration, DEFAULT_SETTINGS, hashConfiguration } from '../../src/consensus/configuration.js'
import { nodeId } from '../../src/consensus/types.js'
import { sha256 } from '../../src/crypto/sha256.js'

const member = (n: number, keySeed = n) => ({
  id: nodeId(`n${n}`),
  publicKey: new Uint8Array(32).fill(keySeed),
  address: `127.0.0.1:${4000 + n}`,
  zone: 'local',
})
const genesis = [member(1), member(2), member(3)]
const sample: ClusterConfiguration = {
  clusterId: new Uint8Array(16).fill(5),
  protocol: 'raft',
  genesis,
  members: genesis,
  clients: [{ id: 'admin', publicKey: new Uint8Array(32).fill(99), role: 'admin' }],
  settings: DEFAULT_SETTINGS,
}
const hash = (configuration: ClusterConfiguration) => hashConfiguration(sha256, configuration, new Uint8Array(32))
const ids = (members: ClusterConfiguration['members']) => members.map(({ id }) => id)

let dir: string
let file: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'knhk-change-members-'))
  file = join(dir, 'cluster.yaml')
  const text = formatClusterFile(sample)
  await writeFile(
    file,
    text.replace('  - id: n2', '  # the one in the cellar\n  - id: n2').replace('zone: local', 'zone: local # rack 7'),
  )
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('a member joins, moves and leaves; the beginning, its hash and all comments stay', async () => {
  const joined = await addMemberToClusterFile(file, member(4))
  expect(ids(joined.members)).toEqual(['n1', 'n2', 'n3', 'n4'])
  expect(joined.genesis).toEqual(genesis)

  const moved = await setMemberAddress(file, 'n4', '[::1]:9')
  expect(moved.members[3]?.address).toBe('[::1]:9')

  const left = await markMemberRemoved(file, 'n2')
  expect(ids(left.members)).toEqual(['n1', 'n3', 'n4'])
  expect(ids(left.genesis)).toEqual(['n1', 'n2', 'n3'])

  expect(await readClusterFile(file)).toEqual(left)
  for (const one of [joined, moved, left]) expect(hash(one)).toEqual(hash(sample))
  const text = await readFile(file, 'utf8')
  expect(text).toContain('# the one in the cellar')
  expect(text).toContain('# rack 7')
  expect(parseClusterFile(formatClusterFile(left))).toEqual(left)
})

test('what is there already is not listed twice, and one that left can be listed again', async () => {
  await addMemberToClusterFile(file, member(4))
  const before = await readFile(file, 'utf8')
  await addMemberToClusterFile(file, member(4))
  expect(await readFile(file, 'utf8')).toBe(before)
  await markMemberRemoved(file, 'n4')
  const back = await addMemberToClusterFile(file, { ...member(4), address: 'h:1' })
  expect(back.members[3]).toEqual({ ...member(4), address: 'h:1' })
})

test('a name and an address are free again after their member left, under a new key', async () => {
  await expect(addMemberToClusterFile(file, member(2, 22))).rejects.toMatchObject({ code: 'InvalidClusterFile' })
  await markMemberRemoved(file, 'n2')
  const replaced = await addMemberToClusterFile(file, member(2, 22))
  expect(replaced.members.at(-1)).toEqual(member(2, 22))
  expect(replaced.genesis).toEqual(genesis)
  await markMemberRemoved(file, 'n2')
  expect(ids((await readClusterFile(file)).members)).toEqual(['n1', 'n3'])
})

test('a change that cannot be is refused and leaves the file as it was', async () => {
  const before = await readFile(file, 'utf8')
  await expect(markMemberRemoved(file, 'n9')).rejects.toMatchObject({ code: 'NotFound' })
  await expect(setMemberAddress(file, 'n9', 'h:1')).rejects.toMatchObject({ code: 'NotFound' })
  await expect(setMemberAddress(file, 'n1', 'nonsense')).rejects.toMatchObject({ code: 'InvalidClusterFile' })
  await expect(setMemberAddress(file, 'n1', '127.0.0.1:4002')).rejects.toMatchObject({ code: 'InvalidClusterFile' })
  await expect(addMemberToClusterFile(file, { ...member(4), address: '127.0.0.1:4001' })).rejects.toMatchObject({
    code: 'InvalidClusterFile',
  })
  await expect(markMemberRemoved(join(dir, 'none.yaml'), 'n1')).rejects.toMatchObject({ code: 'NotFound' })
  expect(await readFile(file, 'utf8')).toBe(before)
  for (const id of ['n1', 'n2']) await markMemberRemoved(file, id)
  await expect(markMemberRemoved(file, 'n3')).rejects.toMatchObject({ code: 'InvalidClusterFile' })
})

test('leases are part of what all nodes agree on; without them the hash is that of a cluster made before', () => {
  const withLeases = (leaseDriftMs: number | null) =>
    hash({ ...sample, settings: { ...DEFAULT_SETTINGS, leaseDriftMs } })
  expect(withLeases(null)).toEqual(hash(sample))
  expect(new Set([null, 1, 2].map((drift) => Buffer.from(withLeases(drift)).toString('hex'))).size).toBe(3)
  expect(hash({ ...sample, genesis: genesis.slice(1) })).not.toEqual(hash(sample))
})

test('so is in how many zones entries are held; whom the cluster prefers as leader is not', () => {
  const withSettings = (settings: Partial<ClusterConfiguration['settings']>) =>
    hash({ ...sample, settings: { ...DEFAULT_SETTINGS, ...settings } })
  expect(withSettings({ commitZones: null })).toEqual(hash(sample))
  expect(withSettings({ commitZones: 2 })).not.toEqual(hash(sample))
  expect(withSettings({ preferredZones: ['a'] })).toEqual(hash(sample))
  expect(hash({ ...sample, genesis: genesis.map((one) => ({ ...one, priority: 7 })) })).toEqual(hash(sample))
})
