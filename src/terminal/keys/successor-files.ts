/**
 * The files of a key that is about to be replaced: `PATH.next.*` is made before anything is ordered, and takes the
 * place of `PATH.*` when the cluster has taken it. Written and renamed in orders that tell from what is there where an
 * interrupted attempt ended, so that the next one goes on: a key that was ordered is never lost.
 */
import { copyFile, rename, rm } from 'node:fs/promises'
import { exists } from '../../cluster/files.js'
import { loadKeyPair, writeKeyFiles } from '../../crypto/key-files.js'
import { generateKeyPair, type KeyPair } from '../../crypto/keys.js'

/** As `writeKeyFiles` does: the public key says that all are there. */
const WRITING_ORDER = ['key', 'crt', 'pub'] as const
/** The private key first: while it is missing, the others are on their way. */
const RENAMING_ORDER = ['key', 'pub', 'crt'] as const

export function retiredPath(path: string): string {
  return `${path}.old`
}

function nextPath(path: string): string {
  return `${path}.next`
}

/** The successor that an earlier attempt made and may have ordered; null where there is none. */
export async function waitingSuccessor(path: string): Promise<KeyPair | null> {
  const next = nextPath(path)
  const [key, crt, pub] = await Promise.all(WRITING_ORDER.map((extension) => exists(`${next}.${extension}`)))
  return key === true && crt === true && pub === true ? loadKeyPair(next) : null
}

/** Makes the successor. What an attempt left that did not even finish writing, nobody has seen. */
export async function makeSuccessor(path: string): Promise<KeyPair> {
  const next = nextPath(path)
  for (const extension of WRITING_ORDER) await rm(`${next}.${extension}`, { force: true })
  const pair = await generateKeyPair()
  await writeKeyFiles(next, pair)
  return pair
}

/** Ends a take-over that was interrupted; false where none was. */
export async function finishTakeOver(path: string): Promise<boolean> {
  const next = nextPath(path)
  if ((await exists(`${next}.key`)) || !(await exists(`${next}.crt`))) return false
  await renameAll(path)
  return true
}

/** The successor takes the place of the key, which stays beside it as PATH.old. */
export async function takeOver(path: string): Promise<void> {
  for (const extension of WRITING_ORDER) {
    await copyFile(`${path}.${extension}`, `${retiredPath(path)}.${extension}`)
  }
  await renameAll(path)
}

async function renameAll(path: string): Promise<void> {
  for (const extension of RENAMING_ORDER) {
    const from = `${nextPath(path)}.${extension}`
    if (await exists(from)) await rename(from, `${path}.${extension}`)
  }
}
