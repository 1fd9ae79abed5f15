/** What a new key signs before a client goes on under it: that whoever orders it holds both keys. */
import { ByteWriter } from '../../base/bytes.js'

/** `clusterId` has 16 bytes, the keys 32: the one in force and the one that replaces it. */
export function rotationStatement(clusterId: Uint8Array, oldKey: Uint8Array, newKey: Uint8Array): Uint8Array {
  return new ByteWriter(128).text('knhk/rotate/1').raw(clusterId).raw(oldKey).raw(newKey).finish()
}
