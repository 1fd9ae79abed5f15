/**
 * Signatures are checked on the loop as long as they are few, and on the thread pool beyond: whichever
 * way, each check is answered once and rightly, and every turn of the loop begins anew.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import type { SignatureCheck } from '../../src/consensus/bft/checks.js'
import { keyPairOfSeed, sign } from '../../src/crypto/keys.js'
import { checksOnLoop, poolVerifier } from '../../src/node/pool-verifier.js'

let valid: SignatureCheck
let forged: SignatureCheck

beforeAll(async () => {
  const { publicKey, privateKey } = await keyPairOfSeed(new Uint8Array(32).fill(7))
  const bytes = Uint8Array.of(1, 2, 3)
  valid = { publicKey, bytes, signature: sign(privateKey, bytes) }
  forged = { publicKey, bytes: Uint8Array.of(1, 2, 4), signature: valid.signature }
})

describe('the verifier of a node', () => {
  it('answers the first checks of a turn at once, the others later, all of them once', async () => {
    const verifier = poolVerifier(2)
    const verdicts: boolean[][] = [[], [], [], []]
    const asked = [valid, forged, valid, forged].map(
      (check, at) =>
        new Promise<void>((resolve) => {
          verifier.verify(check, (holds) => {
            verdicts[at]?.push(holds)
            resolve()
          })
        }),
    )
    expect(verdicts).toEqual([[true], [false], [], []])
    await Promise.all(asked)
    await nextTurn()
    expect(verdicts).toEqual([[true], [false], [true], [false]])
  })

  it('begins anew with every turn of the loop', async () => {
    const verifier = poolVerifier(1)
    for (let turn = 0; turn < 3; turn++) {
      const verdicts: boolean[] = []
      verifier.verify(valid, (holds) => verdicts.push(holds))
      expect(verdicts).toEqual([true])
      await nextTurn()
    }
  })

  it('leaves the loop alone where there are cores to spare', () => {
    expect(checksOnLoop(8)).toBeLessThan(checksOnLoop(2))
  })
})
