/**
 * Shows that keys survive the disk, that nothing is overwritten, and that an open or wrong file is
 * refused with its reason.
 */
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { KnhkError } from '../../src/base/error.js'
import { fingerprint, formatPublicKey, parsePublicKey, publicKeyOfCertificate } from '../../src/crypto/key-encoding.js'
import { loadKeyPair, loadPublicKey, writeKeyFiles } from '../../src/crypto/key-files.js'
import { generateKeyPair, keyPairOfSeed, sign } from '../../src/crypto/keys.js'
import { Verifier } from '../../src/crypto/verifier.js'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'knhk-keys-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function failure(work: Promise<unknown>): Promise<KnhkError> {
  const error = await work.then(
    () => null,
    (cause: unknown) => cause,
  )
  if (!(error instanceof KnhkError)) throw new Error(`no typed error: ${String(error)}`)
  return error
}

test('a pair written and loaded is the same, signs, and its private file is its owner’s alone', async () => {
  const pair = await generateKeyPair()
  const path = join(directory, 'new', 'node')
  await writeKeyFiles(path, pair)
  expect((await readdir(join(directory, 'new'))).sort()).toEqual(['node.crt', 'node.key', 'node.pub'])
  expect((await stat(`${path}.key`)).mode & 0o777).toBe(0o600)
  const loaded = await loadKeyPair(path)
  expect(loaded.publicKey).toEqual(pair.publicKey)
  expect(loaded.certificatePem).toBe(pair.certificatePem)
  const message = new Uint8Array([1, 2, 3])
  expect(new Verifier().verify(pair.publicKey, message, sign(loaded.privateKey, message))).toBe(true)
  expect(await loadPublicKey(`${path}.pub`)).toEqual(pair.publicKey)
})

test('two generated pairs differ; one seed gives one pair and one certificate', async () => {
  const [a, b] = [await generateKeyPair(), await generateKeyPair()]
  expect(formatPublicKey(a.publicKey)).not.toBe(formatPublicKey(b.publicKey))
  const seed = new Uint8Array(32).fill(5)
  expect((await keyPairOfSeed(seed)).certificatePem).toBe((await keyPairOfSeed(seed)).certificatePem)
})

test('the certificate carries the key, signs itself, and names the fingerprint', async () => {
  const { certificatePem, publicKey } = await keyPairOfSeed(new Uint8Array(32).fill(6))
  const certificate = new X509Certificate(certificatePem)
  expect(publicKeyOfCertificate(certificate)).toEqual(publicKey)
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  expect(certificate.subject).toBe(`CN=${fingerprint(publicKey)}`)
})

test.each(['key', 'pub', 'crt'])(
  'an existing .%s is never overwritten, and nothing else is written',
  async (extension) => {
    const path = join(directory, 'node')
    await writeFile(`${path}.${extension}`, 'precious')
    const error = await failure(writeKeyFiles(path, await generateKeyPair()))
    expect(error.code).toBe('Refused')
    expect(await readdir(directory)).toEqual([`node.${extension}`])
    expect(await readFile(`${path}.${extension}`, 'utf8')).toBe('precious')
  },
)

test.runIf(process.platform !== 'win32').each([0o640, 0o604, 0o620])(
  'mode %o is refused with the remedy',
  async (mode) => {
    const path = join(directory, 'node')
    await writeKeyFiles(path, await generateKeyPair())
    await chmod(`${path}.key`, mode)
    const error = await failure(loadKeyPair(path))
    expect(error.code).toBe('InvalidKeyFile')
    expect(error.hint).toContain('chmod 600')
  },
)

test('missing, foreign, damaged and mismatched files are told apart', async () => {
  const [a, b] = [join(directory, 'a'), join(directory, 'b')]
  expect((await failure(loadKeyPair(a))).code).toBe('NotFound')
  await writeKeyFiles(a, await generateKeyPair())
  await writeKeyFiles(b, await generateKeyPair())
  const restore = { pub: await readFile(`${a}.pub`), crt: await readFile(`${a}.crt`) }
  await writeFile(`${a}.pub`, await readFile(`${b}.pub`))
  expect((await failure(loadKeyPair(a))).message).toContain('not the public key')
  await writeFile(`${a}.pub`, 'AAAA')
  expect((await failure(loadKeyPair(a))).message).toContain('44 characters')
  await writeFile(`${a}.pub`, restore.pub)
  await writeFile(`${a}.crt`, await readFile(`${b}.crt`))
  expect((await failure(loadKeyPair(a))).message).toContain('not a certificate of')
  await writeFile(`${a}.crt`, 'garbage')
  expect((await failure(loadKeyPair(a))).code).toBe('InvalidKeyFile')
  await writeFile(`${a}.crt`, restore.crt)
  await writeFile(`${a}.key`, 'garbage')
  expect((await failure(loadKeyPair(a))).message).toContain('not a PKCS#8')
  const { privateKey } = generateKeyPairSync('x25519')
  await writeFile(`${a}.key`, privateKey.export({ format: 'pem', type: 'pkcs8' }))
  expect((await failure(loadKeyPair(a))).message).toContain('Ed25519')
})

test('a public key in text is strict: one form per key', () => {
  const text = formatPublicKey(new Uint8Array(32).fill(255))
  expect(parsePublicKey(`${text}\n`)).toEqual(new Uint8Array(32).fill(255))
  for (const bad of ['', 'hello', text.slice(0, -1), `${text}AA`, text.replaceAll('/', '_')]) {
    expect(() => parsePublicKey(bad)).toThrow(/base64/)
  }
  const trailingBits = `${text.slice(0, 42)}9=`
  expect(() => parsePublicKey(trailingBits)).toThrow(/base64/)
})
