/**
 * `node check`: what can be known before a node starts. Its files and whether they belong together, the
 * speed of its disk against the times of the cluster, its clock against its own log, the way to its
 * peers.
 */
import { dirname, join } from 'node:path'
import { KnhkError } from '../../base/error.js'
import { exists } from '../../cluster/files.js'
import { assertAvailable, assertKeysAdmissible } from '../../cluster/init.js'
import { runningPid } from '../../cluster/processes.js'
import type { NodeFiles } from '../../cluster/run-node.js'
import { formatPublicKey } from '../../crypto/key-encoding.js'
import { bad, type Check, good } from '../doctor/checks.js'
import { measureDisk } from './disk-speed.js'
import { connectTimeMs } from './peer-times.js'

const DISK_FREE_BYTES_MIN = 1024 ** 3
const SPACE_HINT =
  'Make room: below its --disk-reserve a node accepts no proposals, and one that cannot write at all stops.'
/** How far a clock may be behind a stamp of the log: the bound that leaders keep (docs/limits.md). */
const CLOCK_MS = 500

/** Looks, and changes nothing but for a file of its own that it removes again. */
export async function checkNode(files: NodeFiles): Promise<Check[]> {
  return [
    ...(await attempt('configuration', () => configurationChecks(files))),
    ...(await attempt('key', () => keyChecks(files))),
    ...(await attempt('data', () => dataChecks(files))),
    ...(await attempt('disk', () => diskChecks(files))),
    ...(await attempt('clock', () => clockChecks(files))),
    ...(await peerChecks(files)),
  ]
}

/** What a check throws is what it found. */
async function attempt(check: string, work: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof KnhkError) return [bad(check, null, `${error.code}: ${error.message}`, error.hint)]
    if (error instanceof Error && 'code' in error)
      return [bad(check, null, error.message, 'Look at the path and its rights.')]
    throw error
  }
}

async function configurationChecks({ configuration, node }: NodeFiles): Promise<Check[]> {
  assertAvailable(configuration.protocol)
  await assertKeysAdmissible(configuration)
  const { members, protocol } = configuration
  const text = `${node} is one of ${members.length} members of a ${protocol} cluster`
  return [good('configuration', null, text, { members: members.length })]
}

async function keyChecks({ configuration, node, keyPath }: NodeFiles): Promise<Check[]> {
  const { loadKeyPair } = await import('../../crypto/key-files.js')
  const { publicKey } = await loadKeyPair(keyPath)
  const member = configuration.members.find(({ id }) => id === node)
  if (member !== undefined && formatPublicKey(member.publicKey) === formatPublicKey(publicKey)) {
    return [good('key', null, `${keyPath}.key is the key that the cluster file lists`)]
  }
  return [
    bad(
      'key',
      null,
      `${keyPath}.key is not the key that the cluster file lists for ${node}`,
      'Give the right key, or the right cluster file.',
    ),
  ]
}

async function dataChecks({ configuration, node, dataDir, local }: NodeFiles): Promise<Check[]> {
  if (!(await exists(dataDir))) {
    return [good('data', null, `there is no ${dataDir} yet: a first start makes it with --init`)]
  }
  const [{ openDataDirectory }, { realFiles }, { verifyLog }] = await Promise.all([
    import('../../storage/data-directory.js'),
    import('../../storage/real-files.js'),
    import('../../storage/log-verify.js'),
  ])
  const { clusterId } = configuration
  const { logDirectory } = await openDataDirectory(realFiles(), dataDir, { clusterId, nodeId: node })
  const pid = local === null ? null : await runningPid(local.dir, node)
  if (pid !== null) return [good('data', null, `${node} runs already (pid ${pid})`, { pid })]
  const { ok, lastIndex, problems } = await verifyLog(realFiles(), logDirectory)
  if (ok) return [good('data', null, `${dataDir} belongs to ${node}; its log is sound up to ${lastIndex ?? 0}`)]
  const text = `the log is damaged in ${problems.length} places: the node would start without a vote`
  return [
    bad('data', null, text, '`knhk log verify` lists them; the node mends itself from its peers.', {
      problems: problems.length,
    }),
  ]
}

async function diskChecks({ configuration, dataDir }: NodeFiles): Promise<Check[]> {
  const { heartbeatIntervalMs } = configuration.settings
  const { p50Ms, p99Ms, freeBytes } = await measureDisk(await nearestDirectory(dataDir))
  const numbers = { p50Ms: hundredths(p50Ms), p99Ms: hundredths(p99Ms) }
  const speed = `a synced write takes ${numbers.p50Ms} ms, the slowest of a hundred ${numbers.p99Ms} ms`
  const free = `${Math.floor(freeBytes / 1024 ** 2)} MiB are free`
  return [
    p99Ms <= heartbeatIntervalMs
      ? good('disk', null, speed, numbers)
      : bad(
          'disk',
          null,
          `${speed}: over a heartbeat of ${heartbeatIntervalMs} ms`,
          'Take a faster disk, or longer times in the settings.',
          numbers,
        ),
    freeBytes >= DISK_FREE_BYTES_MIN
      ? good('space', null, free, { freeBytes })
      : bad('space', null, free, SPACE_HINT, { freeBytes }),
  ]
}

/** The log's newest stamp is a clock of the past: whoever is behind it was set back. */
async function clockChecks({ dataDir }: NodeFiles): Promise<Check[]> {
  const [{ inspectLog }, { realFiles }] = await Promise.all([
    import('../../storage/log-inspect.js'),
    import('../../storage/real-files.js'),
  ])
  const directory = join(dataDir, 'log')
  if (!(await exists(directory))) return [good('clock', null, 'there is no log yet to hold the clock against')]
  const { lastIndex } = await inspectLog(realFiles(), directory, { limit: 1 })
  if (lastIndex === null) return [good('clock', null, 'the log is empty: nothing to hold the clock against')]
  const { entries } = await inspectLog(realFiles(), directory, { from: lastIndex, to: lastIndex, limit: 1 })
  const behindMs = (entries[0]?.timestampMs ?? 0) - Date.now()
  return [
    behindMs <= CLOCK_MS
      ? good('clock', null, 'the clock is past the newest stamp of the log', { behindMs: Math.max(0, behindMs) })
      : bad(
          'clock',
          null,
          `the clock is ${behindMs} ms behind the newest stamp of the log`,
          'Let time synchronisation set it.',
          { behindMs },
        ),
  ]
}

async function peerChecks({ configuration, node }: NodeFiles): Promise<Check[]> {
  const { electionTimeoutMinMs } = configuration.settings
  const peers = configuration.members.filter(({ id }) => id !== node)
  return Promise.all(
    peers.map(async ({ id, address }) => {
      const timeMs = await connectTimeMs(address)
      // A cluster that starts has no peers yet: whoever is missing is told, and is no failure of this node.
      if (timeMs === null) return good('peer', id, `${id} (${address}) does not answer now`)
      const numbers = { rttMs: hundredths(timeMs) }
      const text = `${id} (${address}) is ${numbers.rttMs} ms away`
      return 3 * timeMs <= electionTimeoutMinMs
        ? good('peer', id, text, numbers)
        : bad(
            'peer',
            id,
            `${text}: too far for an election time-out of ${electionTimeoutMinMs} ms`,
            'Set election time-outs of at least three round trips.',
            numbers,
          )
    }),
  )
}

/** The data directory, or the nearest above it that exists. */
async function nearestDirectory(path: string): Promise<string> {
  if (await exists(path)) return path
  const above = dirname(path)
  return above === path ? path : nearestDirectory(above)
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100
}
