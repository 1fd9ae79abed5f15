/**
 * A data directory that is only looked at: whether its node runs, what its files are, and a copy to
 * open, because opening a store writes. The source is never changed.
 */
import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { KnhkError } from '../../base/error.js'
import { errnoOf, fileError } from '../files.js'
import { runningPid } from '../processes.js'

/** LevelDB's lock: whoever has the data directory open holds it. */
const LOCK_FILE = join('state', 'LOCK')

/** Throws `DataDirectoryLocked` where a process of this machine has it open. */
export async function requireStopped(dataDir: string): Promise<void> {
  // DIR/nodes/ID/data, as in the directory of a local cluster.
  const node = dirname(dataDir)
  const pid = (await runningPid(dirname(dirname(node)), basename(node))) ?? (await lockHolder(dataDir))
  if (pid === null) return
  throw new KnhkError('DataDirectoryLocked', `${dataDir} is in use by process ${pid}`, {
    hint: 'Stop the node first: recovery is for nodes that can no longer go on.',
    details: { dataDir, pid },
  })
}

/** The process that holds the lock, as far as the system tells; null elsewhere than on Linux. */
async function lockHolder(dataDir: string): Promise<number | null> {
  const locks = await readFile('/proc/locks', 'utf8').catch(() => '')
  const lock = await realpath(join(dataDir, LOCK_FILE)).catch(() => null)
  if (lock === null) return null
  const pids = new Set(locks.split('\n').map((line) => Number(line.split(/\s+/)[4])))
  for (const pid of pids) {
    if (!Number.isSafeInteger(pid) || pid < 1) continue
    const descriptors = `/proc/${pid}/fd`
    for (const name of await readdir(descriptors).catch(() => [])) {
      if ((await readlink(join(descriptors, name)).catch(() => '')) === lock) return pid
    }
  }
  return null
}

/** SHA-256 over names, sizes and contents of all files, hex. Throws `NotFound`, `InvalidFile`. */
export async function printOf(dataDir: string): Promise<string> {
  const all = createHash('sha256')
  for (const name of await filesIn(dataDir, '')) {
    const { bytes, digest } = await digestOf(join(dataDir, name))
    all.update(`${name}\0${bytes}\0${digest}\n`)
  }
  return all.digest('hex')
}

/** Copies all files; where the file system can, the copies share the blocks of the originals. */
export async function copyDataDirectory(from: string, to: string): Promise<void> {
  for (const name of await filesIn(from, '')) {
    const target = join(to, name)
    try {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 })
      await copyFile(join(from, name), target, constants.COPYFILE_FICLONE)
    } catch (cause) {
      throw fileError(join(from, name), 'copied', cause)
    }
  }
}

/** Paths relative to `root`, sorted. */
async function filesIn(root: string, under: string): Promise<string[]> {
  const entries = await readdir(join(root, under), { withFileTypes: true }).catch((cause) => {
    throw fileError(join(root, under), 'read', cause)
  })
  const names: string[] = []
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = join(under, entry.name)
    if (entry.isDirectory()) names.push(...(await filesIn(root, name)))
    else if (entry.isFile()) names.push(name)
  }
  return names
}

async function digestOf(path: string): Promise<{ readonly bytes: number; readonly digest: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(piece)
      bytes += piece.length
    }
  } catch (cause) {
    // Somebody works in the directory: what is there is not what it was.
    if (errnoOf(cause) === 'ENOENT') throw new KnhkError('StalePlan', `${path} went away while it was read`, { cause })
    throw fileError(path, 'read', cause)
  }
  return { bytes, digest: hash.digest('hex') }
}
