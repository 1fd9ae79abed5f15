/**
 * Shows that the files of a member that joins a local cluster are whole after any interruption, that a
 * port of the cluster is not given away twice, and that no name is used a second time.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readClusterFile } from '../../src/cluster/cluster-file.js'
import { initCluster, localMembers } from '../../src/cluster/init.js'
import { clusterPaths, nodePaths } from '../../src/cluster/layout.js'
import { LocalMembers, nextFreeId } from '../../src/cluster/local-members.js'
import { loadKeyPair } from '../../src/crypto/key-files.js'

let dir: string
let local: LocalMembers
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'knhk-local-members-'))
  await initCluster({ dir, members: localMembers(2) })
  local = new LocalMembers(dir, ['/nowhere'])
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const newcomer = (id: string, address: string | null = null) => ({
  id,
  address,
  publicKey: null,
  zone: null,
  learner: false,
})

test('a newcomer gets a key, a data directory, a free port and a line', async () => {
  const made = await local.prepare(newcomer('n3'))
  const { members, genesis } = await readClusterFile(clusterPaths(dir).clusterFile)
  expect(members.at(-1)).toEqual(made)
  expect(genesis.map(({ id }) => id)).toEqual(['n1', 'n2'])
  expect(new Set(members.map(({ address }) => address)).size).toBe(3)
  expect((await loadKeyPair(nodePaths(dir, 'n3').key)).publicKey).toEqual(made.publicKey)
  expect(await local.prepare(newcomer('n3'))).toEqual(made)
  await expect(local.prepare(newcomer('n3', '127.0.0.1:1'))).rejects.toMatchObject({ code: 'Refused' })
})

test('half a key of an interrupted attempt is made anew', async () => {
  const { dir: home, key } = nodePaths(dir, 'n3')
  await mkdir(home)
  await writeFile(`${key}.key`, 'half')
  const made = await local.prepare(newcomer('n3'))
  expect((await loadKeyPair(key)).publicKey).toEqual(made.publicKey)
})

test('the name of a member that left is not used again, whoever asks', async () => {
  await local.prepare(newcomer('n3'))
  expect(await local.retire('n3')).toEqual({ id: 'n3', pid: null, outcome: 'notRunning' })
  expect(await local.retire('n3')).toEqual({ id: 'n3', pid: null, outcome: 'notRunning' })
  await expect(local.prepare(newcomer('n3'))).rejects.toMatchObject({ code: 'Refused' })
  await local.retire('n1')
  await expect(local.prepare(newcomer('n1'))).rejects.toMatchObject({ code: 'Refused' })
  expect(nextFreeId(await local.usedIds())).toBe('n4')
})
