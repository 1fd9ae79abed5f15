/** What the state machine asks of signatures. Pure rooms have no curve arithmetic: it comes in like the hash does. */
export interface SignaturePort {
  /** Ed25519 by the pinned rule: the same answer on every node, false for malformed input of any kind. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** Why these bytes cannot become a client's key; null when they can. */
  keyProblem(publicKey: Uint8Array): string | null
}
