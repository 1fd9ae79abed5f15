/**
 * `keys sign` and `keys verify`: an Ed25519 signature over a label and the SHA-256 of some content. The label keeps
 * it apart from everything that nodes and clients sign (docs/wire-protocol.md).
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { concatBytes, toHex, toUtf8 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { fileError } from '../cluster/files.js'
import { formatPublicKey } from '../crypto/key-encoding.js'
import { loadKeyPair } from '../crypto/key-files.js'
import { sign } from '../crypto/keys.js'
import { Verifier } from '../crypto/verifier.js'
import { readKey } from './cluster-init.js'
import type { Output } from './printer.js'

const LABEL = toUtf8('knhk/file/1\0')
const SIGNATURE_BYTES = 64

export interface FileSignature {
  /** Base64. */
  readonly publicKey: string
  /** Of the content, hex. */
  readonly sha256: string
  /** Base64. */
  readonly signature: string
}

export interface VerifiedSignature {
  readonly ok: boolean
  readonly publicKey: string
  readonly sha256: string
}

/** `file` is - for standard input, where that is ours to read. Throws `NotFound`, `InvalidFile`, `InvalidKeyFile`. */
export async function signContent(file: string, key: string, ownsInput: boolean): Promise<FileSignature> {
  const pair = await loadKeyPair(resolve(key.replace(/\.(?:key|pub|crt)$/, '')))
  const digest = await digestOf(file, ownsInput)
  return {
    publicKey: formatPublicKey(pair.publicKey),
    sha256: toHex(digest),
    signature: Buffer.from(sign(pair.privateKey, signedBytes(digest))).toString('base64'),
  }
}

export async function verifyContent(
  file: string,
  key: string,
  signature: string,
  ownsInput: boolean,
): Promise<VerifiedSignature> {
  const publicKey = await readKey(key)
  if (publicKey === null) throw new KnhkError('InvalidArgument', '--key: no key is given')
  const bytes = await readSignature(signature)
  const digest = await digestOf(file, ownsInput)
  const ok = new Verifier().verify(publicKey, signedBytes(digest), bytes)
  return { ok, publicKey: formatPublicKey(publicKey), sha256: toHex(digest) }
}

/** Throws `Refused` where the file exists. */
export async function writeSignature(file: string, { signature }: FileSignature): Promise<void> {
  await writeFile(file, `${signature}\n`, { flag: 'wx' }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') throw fileError(file, 'write', cause)
    throw new KnhkError('Refused', `${file} exists already and is never overwritten`, { details: { file } })
  })
}

export function signatureOutput(signature: FileSignature, file: string | null): Output {
  return {
    value: { ...signature, file },
    ids: [signature.signature],
    text: ({ fields }) =>
      fields([
        ['public key', signature.publicKey],
        ['sha-256', signature.sha256],
        ['signature', signature.signature],
        ...(file === null ? [] : [['written to', file] as const]),
      ]),
  }
}

export function verifiedOutput(verified: VerifiedSignature): Output {
  return {
    value: verified,
    ids: [verified.publicKey],
    text: ({ fields, paint }) => {
      const verdict = verified.ok ? paint('green', 'the signature holds') : paint('red', 'the signature does not hold')
      return `${verdict}\n${fields([
        ['public key', verified.publicKey],
        ['sha-256', verified.sha256],
      ])}`
    },
  }
}

function signedBytes(digest: Uint8Array): Uint8Array {
  return concatBytes([LABEL, digest])
}

async function digestOf(file: string, ownsInput: boolean): Promise<Uint8Array> {
  if (file === '-' && !ownsInput) {
    throw new KnhkError('Usage', 'the REPL itself reads standard input', { hint: 'Give a file.' })
  }
  const hash = createHash('sha256')
  try {
    for await (const piece of file === '-' ? process.stdin : createReadStream(file)) hash.update(piece as Buffer)
  } catch (cause) {
    throw fileError(file, 'read', cause)
  }
  return Uint8Array.from(hash.digest())
}

/** A file that holds base64, or base64 itself. Throws `InvalidArgument`. */
async function readSignature(text: string): Promise<Uint8Array> {
  const content = (await readFile(text, 'utf8').catch(() => text)).trim()
  const bytes = Buffer.from(content, 'base64')
  if (bytes.length !== SIGNATURE_BYTES) {
    throw new KnhkError('InvalidArgument', '--signature: neither a file nor a signature of 64 bytes in base64')
  }
  return Uint8Array.from(bytes)
}
