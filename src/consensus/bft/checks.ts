/**
 * What ingress has to verify before a core may see a message. A core never verifies by itself: it says
 * which signatures a message claims, the driver checks them on its thread pool (or, in the simulator,
 * by a scheme of its own) and hands the message over only when all of them hold.
 */

export interface SignatureCheck {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** What must have been signed, rebuilt from fields. */
  readonly bytes: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** Nothing to verify: the link's own authentication is enough. */
export const NO_CHECKS: readonly SignatureCheck[] = []
