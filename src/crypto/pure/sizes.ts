/** Sizes of Ed25519 values in bytes (RFC 8032, 5.1). Apart, so that whoever needs a size loads no curve arithmetic. */
export const PUBLIC_KEY_BYTES = 32
export const SEED_BYTES = 32
export const SIGNATURE_BYTES = 64
