/**
 * Checks signatures on libuv's thread pool, which the log's synced writes use too: `UV_THREADPOOL_SIZE` is
 * set in bin before anything loads (docs/performance.md has what was measured).
 */
import { Verifier } from '../crypto/verifier.js'
import type { SignatureVerifier } from './ports.js'

export function poolVerifier(): SignatureVerifier {
  const verifier = new Verifier()
  return {
    verify: ({ publicKey, bytes, signature }, done) => verifier.verifyAsync(publicKey, bytes, signature, done),
  }
}
