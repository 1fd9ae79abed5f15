/** Shows that the incremental digest equals one made from scratch, and depends on exactly what it should. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toHex } from '../../src/base/bytes.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { DigestTree } from '../../src/workflow/digest.js'
import { hashHandlers } from '../../src/workflow/handlers.js'
import { KV_HANDLERS } from '../../src/workflow/kv.js'

const key = fc
  .tuple(fc.constantFrom('\x10', '\x12', '\x40', '\x42', '\x80'), fc.nat({ max: 40 }))
  .map(([space, n]) => `${space}${n}`)
const change = fc.tuple(key, fc.option(fc.uint8Array({ maxLength: 5 })))

const digestOf = (tree: DigestTree, slice = 1_000) => {
  while (!tree.settle(slice));
  const { stateDigest, dataDigest } = tree.digests()
  return { stateDigest: toHex(stateDigest), dataDigest: toHex(dataDigest) }
}

function fromScratch(pairs: Iterable<readonly [string, Uint8Array]>) {
  const tree = new DigestTree(sha256)
  for (const [k, value] of pairs) tree.update(k, value)
  return digestOf(tree)
}

test('any order of updates, deletions and settling gives the digest of the final state', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(change, { maxLength: 30 }), { maxLength: 6 }),
      fc.integer({ min: 1, max: 9 }),
      (generations, slice) => {
        const tree = new DigestTree(sha256)
        const state = new Map<string, Uint8Array>()
        for (const changes of generations) {
          for (const [k, value] of changes) {
            tree.update(k, value)
            if (value === null) state.delete(k)
            else state.set(k, value)
          }
          expect(digestOf(tree, slice)).toEqual(fromScratch(state))
        }
        expect(fromScratch([...state].reverse())).toEqual(fromScratch(state))
      },
    ),
    { numRuns: 12 },
  )
})

test('keys that share a bucket are kept apart and in order', () => {
  // The first of a pair of keys whose hashes agree in 16 bits, found by search.
  const seen = new Map<string, string>()
  let pair: [string, string] | undefined
  for (let n = 0; pair === undefined; n++) {
    const name = `\x12${n}`
    const bucket = toHex(sha256(Uint8Array.from(name, (char) => char.charCodeAt(0)))).slice(0, 4)
    const other = seen.get(bucket)
    if (other !== undefined) pair = [other, name]
    seen.set(bucket, name)
  }
  const [a, b] = pair
  const one = Uint8Array.of(1)
  const two = Uint8Array.of(2)
  expect(
    fromScratch([
      [a, one],
      [b, two],
    ]),
  ).toEqual(
    fromScratch([
      [b, two],
      [a, one],
    ]),
  )
  expect(
    fromScratch([
      [a, one],
      [b, two],
    ]),
  ).not.toEqual(
    fromScratch([
      [a, two],
      [b, one],
    ]),
  )
  const tree = new DigestTree(sha256)
  tree.update(a, one)
  tree.update(b, two)
  tree.update(a, null)
  expect(digestOf(tree)).toEqual(fromScratch([[b, two]]))
})

test('data changes both digests, system state one, derived keys none', () => {
  const empty = fromScratch([])
  const data = fromScratch([['\x12k', new Uint8Array(0)]])
  const system = fromScratch([['\x40k', new Uint8Array(0)]])
  expect(data.dataDigest).not.toBe(empty.dataDigest)
  expect(data.stateDigest).not.toBe(empty.stateDigest)
  expect(system.dataDigest).toBe(empty.dataDigest)
  expect(system.stateDigest).not.toBe(empty.stateDigest)
  expect(fromScratch([['\x80k', new Uint8Array(0)]])).toEqual(empty)
})

test('digests are refused while something is unsettled', () => {
  const tree = new DigestTree(sha256)
  tree.update('\x12k', Uint8Array.of(1))
  expect(() => tree.digests()).toThrow(/settled/)
  expect(tree.settle(1)).toBe(false)
  expect(() => tree.digests()).toThrow(/settled/)
})

test('the form of the digest is fixed: nodes of every version agree', () => {
  expect(fromScratch([])).toMatchInlineSnapshot(`
    {
      "dataDigest": "77984d4129a7e363a36a056be8076618c4239afcaf1a14232f7097af712b4cf3",
      "stateDigest": "3d1de8be49467bd3b94ae419062842e5e2cce86dd6515942ab71be93b5e98b55",
    }
  `)
  expect(
    fromScratch([
      ['\x12k', Uint8Array.of(1)],
      ['\x40', Uint8Array.of(2)],
    ]),
  ).toMatchInlineSnapshot(`
    {
      "dataDigest": "dc5e5dce0c322c4d911ecd0063c53df7b320565b4a74675fc8c8bbf2328f02a1",
      "stateDigest": "10c61fc91934d925e3f75aba434b15e82ec0c994c96a5994c83ed1a956a7bbcc",
    }
  `)
})

test('the hash of the handlers follows their names and versions, not their order', () => {
  const hash = (handlers: typeof KV_HANDLERS) => toHex(hashHandlers(sha256, handlers))
  expect(hash([...KV_HANDLERS].reverse())).toBe(hash(KV_HANDLERS))
  expect(hash(KV_HANDLERS.slice(1))).not.toBe(hash(KV_HANDLERS))
  expect(hash(KV_HANDLERS.map((handler) => ({ ...handler, version: 2 })))).not.toBe(hash(KV_HANDLERS))
})
