/**
 * A key pair on disk: `NAME.key` (PKCS#8 PEM, only its owner may read it), `NAME.pub` (one line of
 * base64) and `NAME.crt` (PEM). Existing files are never overwritten: a lost key cannot be made again.
 */
import { X509Certificate } from 'node:crypto'
import { access, mkdir, open, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { formatPublicKey, parsePublicKey, publicKeyOfCertificate } from './key-encoding.js'
import { importPrivateKey, type KeyPair } from './keys.js'

const PRIVATE_MODE = 0o600
const PUBLIC_MODE = 0o644
const OTHERS_MASK = 0o077

/**
 * Writes the three files of `pair` at `path` (without extension), making the directory if needed.
 * Throws `Refused` when one of them exists; nothing is written then.
 */
export async function writeKeyFiles(path: string, pair: KeyPair): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  for (const extension of ['key', 'pub', 'crt']) {
    const exists = await access(`${path}.${extension}`).then(
      () => true,
      () => false,
    )
    if (exists) throw alreadyThere(`${path}.${extension}`)
  }
  await writeNew(`${path}.key`, pair.privateKeyPem, PRIVATE_MODE)
  await writeNew(`${path}.crt`, pair.certificatePem, PUBLIC_MODE)
  await writeNew(`${path}.pub`, `${formatPublicKey(pair.publicKey)}\n`, PUBLIC_MODE)
}

/**
 * Loads and cross-checks the three files at `path` (without extension). Throws `NotFound` for a missing
 * file, `InvalidKeyFile` where group or others may read the private key or the files do not fit together.
 */
export async function loadKeyPair(path: string): Promise<KeyPair> {
  const privateKeyPem = await readPrivate(`${path}.key`)
  const { privateKey, publicKey } = inFile(`${path}.key`, () => importPrivateKey(privateKeyPem))
  const stated = await loadPublicKey(`${path}.pub`)
  if (!bytesEqual(stated, publicKey)) throw invalid(`${path}.pub`, `not the public key of ${path}.key`)
  const certificatePem = await readText(`${path}.crt`)
  const certified = inFile(`${path}.crt`, () => publicKeyOfCertificate(new X509Certificate(certificatePem)))
  if (certified === null || !bytesEqual(certified, publicKey)) {
    throw invalid(`${path}.crt`, `not a certificate of ${path}.key`)
  }
  return { publicKey, privateKeyPem, certificatePem, privateKey }
}

/** Reads a `.pub` file. Throws `NotFound` or `InvalidKeyFile`. */
export async function loadPublicKey(file: string): Promise<Uint8Array> {
  const text = await readText(file)
  return inFile(file, () => parsePublicKey(text))
}

async function readPrivate(file: string): Promise<string> {
  const text = await readText(file)
  // Windows has no such bits: there the directory's access list protects the file.
  const { mode } = await stat(file)
  if (process.platform !== 'win32' && (mode & OTHERS_MASK) !== 0) {
    throw new KnhkError('InvalidKeyFile', `${file} is open to group or others (mode ${(mode & 0o777).toString(8)})`, {
      hint: `Close it: chmod 600 ${file}`,
      details: { file },
    })
  }
  return text
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new KnhkError('NotFound', `there is no key file ${file}`, { cause, details: { file } })
    }
    throw new KnhkError('InvalidKeyFile', `${file} cannot be read`, { cause, details: { file } })
  }
}

async function writeNew(file: string, text: string, mode: number): Promise<void> {
  const handle = await open(file, 'wx', mode).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST') throw alreadyThere(file)
    throw new KnhkError('InvalidFile', `${file} cannot be written`, { cause, details: { file } })
  })
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function inFile<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw invalid(file, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

function invalid(file: string, why: string, cause?: unknown): KnhkError {
  return new KnhkError('InvalidKeyFile', `${file}: ${why}`, { cause, details: { file } })
}

function alreadyThere(file: string): KnhkError {
  return new KnhkError('Refused', `${file} exists already and is never overwritten`, {
    hint: 'Choose another name or directory, or remove the old key yourself.',
    details: { file },
  })
}
