/**
 * Shows a production node at its two ends, with real disk and real network: a client that comes before
 * the state is there is sent away and may come again, a stop that fails is told, and who ends for a full disk leaves room.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { KnhkError } from '../../src/base/error.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { configurationHash } from '../../src/node/compose.js'
import { type RunningNode, startNode } from '../../src/node/start.js'
import { formatDataDirectory } from '../../src/storage/data-directory.js'
import { BALLAST_FILE, DataDisk, DEFAULT_DISK } from '../../src/storage/data-disk.js'
import { storageFailed } from '../../src/storage/files.js'
import { realFiles } from '../../src/storage/real-files.js'
import { SegmentedLog } from '../../src/storage/segmented-log.js'
import { OverlayStateStore } from '../../src/storage/state-store.js'
import { dialNode } from '../../src/transport/dial.js'
import { key, type Members, members, RecordingLogger } from '../transport/harness.js'
import { until } from '../until.js'

let setup: Members
let dataDir: string
let logger: RecordingLogger
const { range, close } = OverlayStateStore.prototype
const { append } = SegmentedLog.prototype

beforeEach(async () => {
  setup = await members(1)
  logger = new RecordingLogger()
  dataDir = await mkdtemp(join(tmpdir(), 'knhk-node-'))
  const { clusterId } = setup.configuration
  const identity = { clusterId, nodeId: 'n1', incarnation: new Uint8Array(16).fill(3), createdAtMs: 1 }
  await formatDataDirectory(realFiles(), join(dataDir, 'data'), identity)
})

afterEach(async () => {
  OverlayStateStore.prototype.range = range
  OverlayStateStore.prototype.close = close
  SegmentedLog.prototype.append = append
  await rm(dataDir, { recursive: true, force: true })
})

function start(): Promise<RunningNode> {
  const { configuration, keys } = setup
  const [member] = configuration.members
  const [pair] = keys
  if (member === undefined || pair === undefined) throw new Error('there is no member')
  const path = join(dataDir, 'data')
  return startNode({ configuration, nodeId: member.id, dataDir: path, key: pair, logger, version: 'test' })
}

/** Null when the client is let in, else the code of the refusal. */
async function knock(): Promise<string | null> {
  const { configuration } = setup
  const [member] = configuration.members
  if (member === undefined) throw new Error('there is no member')
  const expected = {
    publicKey: member.publicKey,
    clusterId: configuration.clusterId,
    nodeId: member.id,
    configHash: configurationHash(sha256, configuration),
  }
  try {
    const options = { address: member.address, alpn: 'knhk-client/1' as const, key: await key(100), expected }
    const link = await dialNode(options)
    link.close()
    return null
  } catch (error) {
    if (error instanceof KnhkError) return error.code
    throw error
  }
}

test('a client that comes while the node starts is told that it is not reachable yet, not that its key is unknown', async () => {
  let goOn: () => void = () => {}
  const held = new Promise<void>((resolve) => {
    goOn = resolve
  })
  let isHeld = false
  OverlayStateStore.prototype.range = async function (...bounds) {
    isHeld = true
    await held
    return range.apply(this, bounds)
  }
  const starting = start()
  await until(() => isHeld)
  expect(await knock()).toBe('Unreachable')
  expect(logger.refusals()).toEqual(['Unreachable'])
  goOn()
  const node = await starting
  expect(await knock()).toBeNull()
  await node.stop()
  expect(await node.stopped).toBeNull()
})

test('a stop that fails says so, and never that the node stopped cleanly', async () => {
  const node = await start()
  OverlayStateStore.prototype.close = async function () {
    await close.call(this)
    throw new KnhkError('StorageFailed', 'the disk is gone')
  }
  await node.stop()
  expect(await node.stopped).toMatchObject({ code: 'StorageFailed' })
  expect(logger.lines.some(({ event }) => event === 'node stopped')).toBe(false)
  expect(logger.lines.filter(({ level }) => level === 'error').map(({ event }) => event)).toEqual(['the node stops'])
})

test.each([
  ['ENOSPC', 'DiskFull', false],
  ['EIO', 'StorageFailed', true],
] as const)('a node whose write fails with %s ends with %s, and keeps its ballast: %s', async (code, ending, keeps) => {
  const path = join(dataDir, 'data')
  const ballastBytes = 1 << 16
  await new DataDisk(realFiles(), path, { ...DEFAULT_DISK, ballastBytes }).keepBallast()
  SegmentedLog.prototype.append = async () => {
    throw storageFailed('writing to the log', Object.assign(new Error(code), { code }))
  }
  const node = await start()
  expect((await node.stopped)?.code).toBe(ending)
  const ballast = await stat(join(path, BALLAST_FILE)).catch(() => null)
  expect(ballast?.size ?? null).toBe(keeps ? ballastBytes : null)
  await node.stop()
})
