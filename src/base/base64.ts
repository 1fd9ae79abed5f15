/** Standard base64 (RFC 4648, section 4) in pure code: keys and signatures in the JSON of operations. Strict both ways. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const FORM = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

export function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at
    const bits = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text += ALPHABET.charAt(bits >> 18) + ALPHABET.charAt((bits >> 12) & 63)
    text += left > 1 ? ALPHABET.charAt((bits >> 6) & 63) : '='
    text += left > 2 ? ALPHABET.charAt(bits & 63) : '='
  }
  return text
}

/** Null for what `toBase64` would not have written. */
export function fromBase64(text: string): Uint8Array | null {
  if (!FORM.test(text)) return null
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  for (let from = 0, at = 0; from < text.length; from += 4, at += 3) {
    let bits = 0
    for (let i = 0; i < 4; i++) bits = (bits << 6) | Math.max(0, ALPHABET.indexOf(text.charAt(from + i)))
    bytes[at] = bits >> 16
    if (at + 1 < bytes.length) bytes[at + 1] = bits >> 8
    if (at + 2 < bytes.length) bytes[at + 2] = bits
  }
  return toBase64(bytes) === text ? bytes : null
}
