/**
 * Who ordered a change of the members. Under Byzantine protocols the entry carries, behind the configuration,
 * the signature of the client that asked for it, so that no primary can make one up; replicas vote only
 * where their replicated state gives that client's key the right to. The signature covers the cluster, the
 * epoch and the configuration that the change was planned against: it counts for that one change, never
 * again for a later one.
 */
import { ByteWriter, toUtf8 } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { Sha256 } from '../entry.js'
import { decodeMembership, encodeConfiguration, type Membership, type TargetMember } from '../membership.js'
import { encodeBody, forEachRequest } from '../request-body.js'
import type { Epoch, LogIndex } from '../types.js'
import type { SignatureCheck } from './checks.js'
import { SIGNATURE_BYTES } from './statement.js'

const DOMAIN = toUtf8('knhk/members/1\0\0')
const KEY_BYTES = 32

/** A client's word for a change. */
export interface ChangeAuthority {
  /** In which it counts. */
  readonly epoch: Epoch
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** Over `changeSignBytes`, 64 bytes. */
  readonly signature: Uint8Array
}

/** What a change would follow. */
export interface ChangePlace {
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  readonly epoch: Epoch
  /** Index of the configuration in force. */
  readonly planned: LogIndex
}

/** The configuration that an order asks for. */
export function targetMembership(target: readonly TargetMember[]): Membership {
  return { joint: false, members: target.map((member) => ({ ...member, wasVoter: false })) }
}

/** What the client signs: domain, cluster id, u32 epoch, u64 planned, hash of the configuration: 76 bytes. */
export function changeSignBytes(
  sha256: Sha256,
  { clusterId, epoch, planned }: ChangePlace,
  membership: Membership,
): Uint8Array {
  const out = new ByteWriter(96).raw(DOMAIN).raw(clusterId).u32(epoch).u64(planned)
  return out.raw(sha256(encodeConfiguration(membership))).finish()
}

/** The body of the entry: the configuration, then key and signature. */
export function encodeChange(
  membership: Membership,
  { publicKey, signature }: Pick<ChangeAuthority, 'publicKey' | 'signature'>,
): Uint8Array {
  const authority = new ByteWriter(KEY_BYTES + SIGNATURE_BYTES).raw(publicKey).raw(signature).finish()
  return encodeBody([encodeConfiguration(membership), authority])
}

/** Whose signature a change carries, and what must hold of it there. Throws `ProtocolViolation` where it carries none. */
export function changeCheck(sha256: Sha256, place: ChangePlace, body: Uint8Array): SignatureCheck {
  const authority = authorityIn(body)
  return {
    publicKey: authority.subarray(0, KEY_BYTES),
    bytes: changeSignBytes(sha256, place, decodeMembership(body)),
    signature: authority.subarray(KEY_BYTES),
  }
}

/** The key, 32 bytes, of the client that ordered a change. Throws `ProtocolViolation` where it names none. */
export function orderedBy(body: Uint8Array): Uint8Array {
  return authorityIn(body).subarray(0, KEY_BYTES)
}

function authorityIn(body: Uint8Array): Uint8Array {
  const requests: Uint8Array[] = []
  forEachRequest(body, (start, end) => requests.push(body.subarray(start, end)))
  const [, authority, ...others] = requests
  if (authority?.length !== KEY_BYTES + SIGNATURE_BYTES || others.length > 0)
    throw new KnhkError('ProtocolViolation', 'a change of members carries one signature of who ordered it')
  return authority
}
