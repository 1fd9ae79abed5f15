/** What `keys gen` and `keys show` say about a key pair: never the private part. */
import { fingerprint, formatPublicKey } from '../crypto/key-encoding.js'
import type { Output } from './printer.js'

/** `path` is without extension; `isPair` is false where only the `.pub` file is at hand. */
export function keyOutput(path: string, publicKey: Uint8Array, isPair: boolean): Output {
  const text = formatPublicKey(publicKey)
  const print = fingerprint(publicKey)
  const files = {
    keyFile: isPair ? `${path}.key` : null,
    publicKeyFile: `${path}.pub`,
    certificateFile: isPair ? `${path}.crt` : null,
  }
  return {
    value: { publicKey: text, fingerprint: print, ...files },
    ids: [text],
    text: ({ fields }) =>
      fields([
        ['public key', text],
        ['fingerprint', print],
        ['key file', files.keyFile],
        ['public key file', files.publicKeyFile],
        ['certificate', files.certificateFile],
      ]),
  }
}
