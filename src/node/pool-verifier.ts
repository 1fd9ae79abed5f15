/**
 * Checks signatures: a few on the loop itself, the others on libuv's thread pool, which the log's synced
 * writes use too (`UV_THREADPOOL_SIZE` is set in bin before anything loads).
 *
 * The pool costs two changes of thread per check, and spreads a burst over several turns, so that requests
 * which arrived together end up in several slots. Where there are cores to spare that is little for work
 * done in parallel; where there are not, it buys nothing (docs/performance.md has what was measured).
 */
import { availableParallelism } from 'node:os'
import { Verifier } from '../crypto/verifier.js'
import type { SignatureVerifier } from './ports.js'

/** Checks that the loop makes itself before it looks at its sockets again: 64 take it 8 ms, 4 half of one. */
export function checksOnLoop(cores: number): number {
  return cores > 2 ? 4 : 64
}

export function poolVerifier(onLoopMax: number = checksOnLoop(availableParallelism())): SignatureVerifier {
  const verifier = new Verifier()
  let onLoop = 0
  const begin = (): void => {
    onLoop = 0
  }
  return {
    verify: ({ publicKey, bytes, signature }, done) => {
      if (onLoop >= onLoopMax) {
        verifier.verifyAsync(publicKey, bytes, signature, done)
        return
      }
      if (onLoop === 0) setImmediate(begin)
      onLoop++
      done(verifier.verify(publicKey, bytes, signature))
    },
  }
}
