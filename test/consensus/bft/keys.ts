/**
 * Signatures for tests of the Byzantine cores: a keyed hash that only this file can make. The public key
 * names the signer, so a check needs nothing but its three fields; a wrong byte anywhere fails it.
 */
import type { SignatureCheck } from '../../../src/consensus/bft/checks.js'
import type { Membership } from '../../../src/consensus/membership.js'
import type { NodeId } from '../../../src/consensus/types.js'
import { nodeId } from '../../../src/consensus/types.js'
import { sha256 } from '../disk.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** Of a node or a client. */
export function publicKeyOf(name: string): Uint8Array {
  return sha256(text(`key of ${name}`))
}

export function signAs(name: string): (bytes: Uint8Array) => Uint8Array {
  const publicKey = publicKeyOf(name)
  return (bytes) => signature(publicKey, bytes)
}

export function holds({ publicKey, bytes, signature: claimed }: SignatureCheck): boolean {
  return Buffer.from(claimed).equals(signature(publicKey, bytes))
}

function signature(publicKey: Uint8Array, bytes: Uint8Array): Uint8Array {
  const half = sha256(Buffer.concat([publicKey, bytes]))
  return new Uint8Array(Buffer.concat([half, sha256(half)]))
}

/** n1 … n<count>, all voters, with the keys of this file. */
export function replicasOf(count: number, first = 1): Membership {
  return replicasNamed(Array.from({ length: count }, (_, i) => `n${first + i}`))
}

/** These as members, all voters, with the keys of this file. */
export function replicasNamed(ids: readonly string[]): Membership {
  return { joint: false, members: ids.map((id) => replica(nodeId(id))) }
}

export function replica(id: NodeId): Membership['members'][number] {
  return {
    id,
    publicKey: publicKeyOf(id),
    address: `${id}:1`,
    zone: '',
    role: 'voter',
    wasVoter: false,
    promote: false,
  }
}
