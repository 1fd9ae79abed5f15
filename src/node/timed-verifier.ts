/** Tells the observer how long each signature waited for its check. */
import type { Observer } from '../telemetry/observer.js'
import type { Clock, SignatureVerifier } from './ports.js'

export function timedVerifier(verifier: SignatureVerifier, clock: Clock, observer: Observer): SignatureVerifier {
  return {
    verify: (check, done) => {
      const askedMs = clock.monotonicMs()
      verifier.verify(check, (valid) => {
        observer.verified(clock.monotonicMs() - askedMs)
        done(valid)
      })
    },
  }
}
