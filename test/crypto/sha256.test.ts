/** Shows that the fast path is SHA-256 and that every result is memory of its own. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex, toUtf8 } from '../../src/base/bytes.js'
import { sha256 } from '../../src/crypto/sha256.js'

test('FIPS 180-4 examples', () => {
  expect(toHex(sha256(toUtf8('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  expect(toHex(sha256(new Uint8Array(0)))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})

test('equals the incremental hash for any input, views included, and leaves earlier results alone', () => {
  const kept: { digest: Uint8Array; expected: string }[] = []
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5_000 }), fc.nat(), (data, cut) => {
      const view = data.subarray(cut % (data.length + 1))
      const digest = sha256(view)
      const expected = createHash('sha256').update(view).digest('hex')
      expect(digest.constructor).toBe(Uint8Array)
      expect(toHex(digest)).toBe(expected)
      kept.push({ digest, expected })
    }),
  )
  for (const { digest, expected } of kept) expect(toHex(digest)).toBe(expected)
})
