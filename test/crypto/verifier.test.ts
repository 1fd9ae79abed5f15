/**
 * Shows that the pinned verifier gives the answer of its written rule on honest, damaged and crafted
 * signatures alike. The crafted ones are made from torsion points as in Chalkias, Garillot and
 * Nikolaenko, "Taming the many EdDSAs" (2020), and are judged by a second implementation of the rule
 * over @noble/ed25519's curve arithmetic, which shares no code with the first.
 */
import { createHash } from 'node:crypto'
import { Point, verifyAsync } from '@noble/ed25519'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { concatBytes, fromHex, toHex, toUtf8 } from '../../src/base/bytes.js'
import { keyPairOfSeed, sign } from '../../src/crypto/keys.js'
import { publicKeyProblem } from '../../src/crypto/pure/public-key.js'
import { hasStrictForm } from '../../src/crypto/pure/signature-form.js'
import { Verifier } from '../../src/crypto/verifier.js'

const { n: L, p: P } = Point.CURVE()
const B = Point.BASE
/** A generator of the eight torsion points. */
const T8 = Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')
const TORSION = Array.from({ length: 8 }, (_, i) => times(T8, BigInt(i)))

function times(point: Point, factor: bigint): Point {
  let sum = Point.ZERO
  for (let i = 0n; i < factor; i++) sum = sum.add(point)
  return sum
}

function littleEndian(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, '0')).reverse()
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`)
}

function challenge(R: Uint8Array, A: Uint8Array, message: Uint8Array): bigint {
  return (
    numberOf(
      createHash('sha512')
        .update(concatBytes([R, A, message]))
        .digest(),
    ) % L
  )
}

/** The rule, word for word, over noble's points. */
function reference(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  const [R, S] = [signature.subarray(0, 32), numberOf(signature.subarray(32))]
  if (S >= L) return false
  try {
    const A = Point.fromBytes(publicKey, false)
    if (A.isSmallOrder() || !A.isTorsionFree() || Point.fromBytes(R, false).isSmallOrder()) return false
    const k = challenge(R, publicKey, message)
    const sB = S === 0n ? Point.ZERO : B.multiply(S, false)
    const kA = k === 0n ? Point.ZERO : A.multiply(k, false)
    return toHex(sB.subtract(kA).toBytes()) === toHex(R)
  } catch {
    return false
  }
}

interface Crafted {
  readonly publicKey: Uint8Array
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** Signs with A = a·B + torsion[i] and R = r·B + torsion[j]; either multiple of B may be left out. */
function craft(recipe: {
  readonly a: bigint
  readonly r: bigint
  readonly i: number
  readonly j: number
  readonly addL: boolean
  readonly text: string
}): Crafted {
  const message = toUtf8(recipe.text)
  const A = (recipe.a === 0n ? Point.ZERO : B.multiply(recipe.a)).add(TORSION[recipe.i] as Point)
  const R = (recipe.r === 0n ? Point.ZERO : B.multiply(recipe.r)).add(TORSION[recipe.j] as Point)
  const [bytesA, bytesR] = [A.toBytes(), R.toBytes()]
  const s = (recipe.r + challenge(bytesR, bytesA, message) * recipe.a) % L
  const signature = concatBytes([bytesR, littleEndian(recipe.addL ? s + L : s)])
  return { publicKey: Uint8Array.from(bytesA), message, signature }
}

function verifyBoth(verifier: Verifier, { publicKey, message, signature }: Crafted): Promise<boolean> {
  const direct = verifier.verify(publicKey, message, signature)
  return new Promise((resolve) => {
    verifier.verifyAsync(publicKey, message, signature, (valid) => {
      expect(valid).toBe(direct)
      resolve(direct)
    })
  })
}

const RFC_8032: readonly (readonly [seed: string, publicKey: string, message: string, signature: string])[] = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
  [
    '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
  ],
]

test.each(RFC_8032)('RFC 8032, 7.1: seed %s', async (seed, publicKey, message, signature) => {
  const pair = await keyPairOfSeed(fromHex(seed))
  expect(toHex(pair.publicKey)).toBe(publicKey)
  expect(toHex(sign(pair.privateKey, fromHex(message)))).toBe(signature)
  const crafted = { publicKey: pair.publicKey, message: fromHex(message), signature: fromHex(signature) }
  expect(await verifyBoth(new Verifier(), crafted)).toBe(true)
  expect(reference(crafted.publicKey, crafted.message, crafted.signature)).toBe(true)
})

test('the rule holds over every combination of torsion in key and signature', async () => {
  const verifier = new Verifier()
  let accepted = 0
  const scalars = fc.bigInt({ min: 1n, max: L - 1n })
  const recipe = fc.record({
    a: fc.oneof({ weight: 4, arbitrary: scalars }, fc.constant(0n)),
    r: fc.oneof({ weight: 4, arbitrary: scalars }, fc.constant(0n)),
    i: fc.oneof(fc.constant(0), fc.nat({ max: 7 })),
    j: fc.oneof(fc.constant(0), fc.nat({ max: 7 })),
    addL: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.constant(true)),
    text: fc.string({ maxLength: 8 }),
  })
  await fc.assert(
    fc.asyncProperty(recipe, async (ingredients) => {
      const crafted = craft(ingredients)
      const expected = reference(crafted.publicKey, crafted.message, crafted.signature)
      expect(await verifyBoth(verifier, crafted)).toBe(expected)
      const { a, r, i, j, addL } = ingredients
      expect(expected).toBe(a !== 0n && r !== 0n && i === 0 && j === 0 && !addL)
      if (expected) accepted += 1
    }),
    { numRuns: 150 },
  )
  expect(accepted).toBeGreaterThan(5)
})

test('a key of small order, for which one signature fits every message, is refused', async () => {
  const verifier = new Verifier()
  for (const point of TORSION) {
    const publicKey = Uint8Array.from(point.toBytes())
    const signature = concatBytes([Point.ZERO.toBytes(), new Uint8Array(32)])
    expect(await verifyBoth(verifier, { publicKey, message: toUtf8('anything'), signature })).toBe(false)
    expect(publicKeyProblem(publicKey)).toMatch(/small order/)
  }
})

test('a mixed-order key is refused even where the cofactorless equation holds', async () => {
  const verifier = new Verifier()
  let found = 0
  for (let attempt = 0; found < 2; attempt++) {
    // With R = r·B − k·T the torsion cancels; k depends on R, so one try in eight works.
    const crafted = craft({ a: 5n, r: 7n, i: 1, j: attempt % 8, addL: false, text: `try ${attempt}` })
    const k = challenge(crafted.signature.subarray(0, 32), crafted.publicKey, crafted.message)
    if ((k + BigInt(attempt % 8)) % 8n !== 0n) continue
    found += 1
    expect(await verifyBoth(verifier, crafted)).toBe(false)
    expect(publicKeyProblem(crafted.publicKey)).toMatch(/torsion/)
  }
})

test('an honest key with a mixed-order R: cofactored libraries accept it, the rule does not', async () => {
  const crafted = craft({ a: 5n, r: 7n, i: 0, j: 1, addL: false, text: 'mixed' })
  expect(await verifyAsync(crafted.signature, crafted.message, crafted.publicKey, { zip215: false })).toBe(true)
  expect(await verifyBoth(new Verifier(), crafted)).toBe(false)
})

test('an honest key with R = identity: the equation holds, the rule refuses', async () => {
  const crafted = craft({ a: 5n, r: 0n, i: 0, j: 0, addL: false, text: 'zero nonce' })
  expect(await verifyAsync(crafted.signature, crafted.message, crafted.publicKey, { zip215: false })).toBe(true)
  expect(await verifyBoth(new Verifier(), crafted)).toBe(false)
})

test('no encoding with y ≥ p, no small-order R in either sign, no S from L on has the strict form', () => {
  const honest = craft({ a: 5n, r: 7n, i: 0, j: 0, addL: false, text: '' }).signature
  expect(hasStrictForm(honest)).toBe(true)
  const withR = (R: Uint8Array): Uint8Array => concatBytes([R, honest.subarray(32)])
  const withS = (S: bigint): Uint8Array => concatBytes([honest.subarray(0, 32), littleEndian(S)])
  for (let y = P; y < 2n ** 255n; y++) {
    expect(hasStrictForm(withR(littleEndian(y)))).toBe(false)
    expect(hasStrictForm(withR(littleEndian(y + 2n ** 255n)))).toBe(false)
    expect(publicKeyProblem(littleEndian(y))).toMatch(/canonical/)
  }
  for (const point of TORSION) {
    const encoded = Uint8Array.from(point.toBytes())
    expect(hasStrictForm(withR(encoded))).toBe(false)
    encoded[31] = (encoded[31] as number) ^ 0x80
    expect(hasStrictForm(withR(encoded))).toBe(false)
  }
  expect(hasStrictForm(withS(L - 1n))).toBe(true)
  expect(hasStrictForm(withS(0n))).toBe(true)
  for (const S of [L, L + 1n, 2n ** 253n, 2n ** 256n - 1n]) expect(hasStrictForm(withS(S))).toBe(false)
})

test('damaged signatures, messages and keys get the answer of noble’s strict mode', async () => {
  const verifier = new Verifier()
  const pairs = await Promise.all([1, 2, 3].map((seed) => keyPairOfSeed(new Uint8Array(32).fill(seed))))
  const damage = fc.record({
    what: fc.constantFrom('nothing', 'signature', 'message', 'key'),
    place: fc.nat(),
    change: fc.integer({ min: 1, max: 255 }),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...pairs),
      fc.uint8Array({ minLength: 1, maxLength: 80 }),
      damage,
      async (pair, original, { what, place, change }) => {
        const parts = {
          signature: sign(pair.privateKey, original),
          message: original.slice(),
          key: Uint8Array.from(pair.publicKey),
        }
        if (what !== 'nothing') {
          const target = parts[what as keyof typeof parts]
          target[place % target.length] = (target[place % target.length] as number) ^ change
        }
        const crafted = { publicKey: parts.key, message: parts.message, signature: parts.signature }
        const noble = await verifyAsync(parts.signature, parts.message, parts.key, { zip215: false })
        expect(await verifyBoth(verifier, crafted)).toBe(noble)
        expect(noble).toBe(what === 'nothing')
      },
    ),
    { numRuns: 80 },
  )
})

test('wrong lengths are false, not exceptions', async () => {
  const verifier = new Verifier()
  const empty = new Uint8Array(0)
  for (const length of [0, 31, 33, 64]) {
    const crafted = { publicKey: new Uint8Array(length), message: empty, signature: new Uint8Array(64) }
    expect(await verifyBoth(verifier, crafted)).toBe(false)
  }
  const { publicKey } = await keyPairOfSeed(new Uint8Array(32))
  for (const length of [0, 63, 65]) {
    expect(await verifyBoth(verifier, { publicKey, message: empty, signature: new Uint8Array(length) })).toBe(false)
  }
})

test('the key cache stays within its bound and forgetting changes no answer', async () => {
  const verifier = new Verifier(2)
  const pairs = await Promise.all([1, 2, 3, 4].map((seed) => keyPairOfSeed(new Uint8Array(32).fill(seed))))
  for (let round = 0; round < 2; round++) {
    for (const { publicKey, privateKey } of pairs) {
      expect(verifier.verify(publicKey, publicKey, sign(privateKey, publicKey))).toBe(true)
      expect(verifier.cachedKeys).toBeLessThanOrEqual(2)
    }
  }
})
