/** Shows that a data directory is made once, opened only by its own member and one process, and never faked by an empty disk. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { logIndex } from '../../src/consensus/types.js'
import { formatDataDirectory, isUnformatted, openDataDirectory } from '../../src/storage/data-directory.js'
import { KnownPeers } from '../../src/storage/known-peers.js'
import { type NodeStorage, openNodeStorage } from '../../src/storage/node-storage.js'
import { realFiles } from '../../src/storage/real-files.js'
import { seededRandom } from '../random.js'
import { IDENTITY, makeEntries, memoryFiles, storeEntries } from './journal-fixture.js'

const MEMBER = { ...IDENTITY, createdAtMs: 1_700_000_000_000 }
const directories: string[] = []
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true })
})
async function realDirectory(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'knhk-data-'))
  directories.push(directory)
  return `${directory}/n1`
}
const openStorage = (directory: string): Promise<NodeStorage> =>
  openNodeStorage({
    files: realFiles(),
    path: directory,
    ...IDENTITY,
    nextTurn: (callback) => void setImmediate(callback),
    onFailed: (error) => {
      throw error
    },
  })

test('a directory is formatted once, and only its own member opens it', async () => {
  const files = memoryFiles()
  expect(await isUnformatted(files, 'data')).toBe(true)
  await expect(openDataDirectory(files, 'data', IDENTITY)).rejects.toMatchObject({ code: 'DataDirectoryLost' })
  await formatDataDirectory(files, 'data', MEMBER)
  expect(await isUnformatted(files, 'data')).toBe(false)
  await expect(formatDataDirectory(files, 'data', MEMBER)).rejects.toMatchObject({ code: 'Refused' })
  const opened = await openDataDirectory(files, 'data', IDENTITY)
  expect(opened).toMatchObject({
    logDirectory: 'data/log',
    stateDirectory: 'data/state',
    snapshotDirectory: 'data/snapshots',
    identity: MEMBER,
  })
  for (const other of [{ nodeId: 'n2' }, { clusterId: new Uint8Array(16) }]) {
    await expect(openDataDirectory(files, 'data', { ...IDENTITY, ...other })).rejects.toMatchObject({
      code: 'IdentityMismatch',
    })
  }
})

test('a damaged identity and one of a newer format are told apart', async () => {
  const files = memoryFiles()
  await formatDataDirectory(files, 'data', MEMBER)
  const good = Buffer.from(files.content('data/identity.json')).toString()
  const replace = (text: string): void => files.replace('data/identity.json', Buffer.from(text))
  for (const bad of [good.replace('"n1"', '"n2"'), good.slice(0, 40), '[]', '']) {
    replace(bad)
    await expect(openDataDirectory(files, 'data', IDENTITY)).rejects.toMatchObject({ code: 'Corrupt' })
  }
  replace(good.replace('"format": 1', '"format": 2'))
  await expect(openDataDirectory(files, 'data', IDENTITY)).rejects.toMatchObject({ code: 'UnsupportedFormat' })
})

test('a format that a crash interrupted is made again; a directory with anything else is refused', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed)
    let left = 1 + Math.floor(random() * 22)
    const files = memoryFiles({ random, fault: () => (--left === 0 ? { kind: 'error', code: 'EIO' } : undefined) })
    const done = await formatDataDirectory(files, 'data', MEMBER).then(
      () => true,
      () => false,
    )
    left = Number.POSITIVE_INFINITY
    files.crash()
    const formatted = await openDataDirectory(files, 'data', IDENTITY).then(
      () => true,
      () => false,
    )
    if (done) expect([seed, formatted]).toEqual([seed, true])
    if (!formatted) await formatDataDirectory(files, 'data', MEMBER)
    expect((await openDataDirectory(files, 'data', IDENTITY)).identity).toEqual(MEMBER)
  }
  const files = memoryFiles()
  await files.mkdir('data')
  files.replace('data/notes.txt', new Uint8Array(3))
  await expect(formatDataDirectory(files, 'data', MEMBER)).rejects.toMatchObject({ code: 'Refused' })
})

test('storage opens as a whole, comes back after a stop, and is locked while it is open', async () => {
  const directory = await realDirectory()
  await formatDataDirectory(realFiles(), directory, MEMBER)
  const first = await openStorage(directory)
  await expect(openStorage(directory)).rejects.toMatchObject({ code: 'DataDirectoryLocked' })
  await first.log.append([storeEntries(makeEntries(null, 3))])
  first.state.put('k', new Uint8Array([1]))
  first.state.rotate(logIndex(3))
  await first.close()
  const second = await openStorage(directory)
  expect(second.log.restored).toMatchObject({ lastIndex: 3, commitIndex: 3, mayVote: true })
  expect([second.state.appliedIndex, second.state.get('k')?.[0]]).toEqual([3, 1])
  await second.close()
  await rm(`${directory}/log`, { recursive: true })
  await expect(openStorage(directory)).rejects.toMatchObject({ code: 'DataDirectoryLost' })
  // A failed opening gives the lock back.
  await expect(openStorage(directory)).rejects.toMatchObject({ code: 'DataDirectoryLost' })
})

test('the lock of another process holds until that process is gone, however it dies', async () => {
  const directory = await realDirectory()
  await formatDataDirectory(realFiles(), directory, MEMBER)
  const script = `${directory}-holder.mjs`
  const level = import.meta.resolve('classic-level')
  await writeFile(
    script,
    `import { ClassicLevel } from '${level}'\nawait new ClassicLevel('${directory}/state').open()\nconsole.log('ready')\nsetInterval(() => {}, 1000)\n`,
  )
  const holder = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(holder.stdout, 'data')
  await expect(openStorage(directory)).rejects.toMatchObject({ code: 'DataDirectoryLocked' })
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  await (await openStorage(directory)).close()
})

test('a peer that comes back with another incarnation is noticed, over restarts', async () => {
  const directory = await realDirectory()
  await realFiles().mkdir(directory)
  const [one, two] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)]
  const peers = await KnownPeers.load(realFiles(), directory)
  expect(peers.standing('n2', one)).toBe('unknown')
  await Promise.all([peers.remember('n2', one), peers.remember('n3', two)])
  const again = await KnownPeers.load(realFiles(), directory)
  expect([again.standing('n2', one), again.standing('n2', two), again.standing('n3', two)]).toEqual([
    'known',
    'different',
    'known',
  ])
  const text = await readFile(`${directory}/known-peers.json`, 'utf8')
  await writeFile(`${directory}/known-peers.json`, text.replace('0101', '0102'))
  await expect(KnownPeers.load(realFiles(), directory)).rejects.toMatchObject({ code: 'Corrupt' })
})
