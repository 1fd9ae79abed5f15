/**
 * The frames of the handshake. The server speaks first: WELCOME, once it knows the key of the other
 * side, or REFUSED. A peer then says HELLO and is ACCEPTED or REFUSED; a client may send at once.
 * Layouts in docs/wire-protocol.md; all decoders are strict.
 */

import { ByteReader, ByteWriter, fromUtf8, toUtf8 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { type ErrorCode, isErrorCode } from '../base/error-codes.js'
import { type Epoch, epoch, type LogIndex, logIndex, type NodeId, nodeId, type Term, term } from '../consensus/types.js'

/** Sides of different major versions do not talk; the lower minor version of the two is spoken. */
export const PROTOCOL_MAJOR = 2
export const PROTOCOL_MINOR = 0

export const PEER_ALPN = 'knhk-peer/1'
/** Between members as well, for the bytes of snapshots. */
export const SNAPSHOT_ALPN = 'knhk-snapshot/1'
export const CLIENT_ALPN = 'knhk-client/1'
export const ALPNS = [PEER_ALPN, SNAPSHOT_ALPN, CLIENT_ALPN] as const
export type Alpn = (typeof ALPNS)[number]

const CLUSTER_ID_BYTES = 16
const CONFIG_HASH_BYTES = 32
const INCARNATION_BYTES_MAX = 64
const REASON_BYTES_MAX = 1024

export interface ProtocolVersion {
  readonly major: number
  readonly minor: number
}

export interface Welcome {
  readonly version: ProtocolVersion
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  readonly nodeId: NodeId
  readonly incarnation: Uint8Array
  /** 32 bytes. */
  readonly configHash: Uint8Array
}

/** A member's introduction; the durable position comes first, so that a lost disk shows at once. */
export interface Hello extends Welcome {
  readonly epoch: Epoch
  readonly term: Term
  readonly lastIndex: LogIndex
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  return writeIdentity(new ByteWriter(), welcome).finish()
}

export function decodeWelcome(payload: Uint8Array): Welcome {
  const reader = new ByteReader(payload)
  const welcome = readIdentity(reader)
  reader.end()
  return welcome
}

export function encodeHello(hello: Hello): Uint8Array {
  return writeIdentity(new ByteWriter(), hello).u32(hello.epoch).u64(hello.term).u64(hello.lastIndex).finish()
}

export function decodeHello(payload: Uint8Array): Hello {
  const reader = new ByteReader(payload)
  const identity = readIdentity(reader)
  const hello = {
    ...identity,
    epoch: epoch(reader.u32()),
    term: term(reader.u64()),
    lastIndex: logIndex(reader.u64()),
  }
  reader.end()
  return hello
}

/** The reason is cut to what the frame allows. */
export function encodeRefused(code: ErrorCode, reason: string): Uint8Array {
  const text = toUtf8(reason.slice(0, REASON_BYTES_MAX / 4))
  return new ByteWriter().u8(code.length).raw(toUtf8(code)).u16(text.length).raw(text).finish()
}

/** A code that this version does not know reads as `Refused`. */
export function decodeRefused(payload: Uint8Array): { readonly code: ErrorCode; readonly reason: string } {
  const reader = new ByteReader(payload)
  const code = fromUtf8(reader.raw(reader.u8()))
  const length = reader.u16()
  if (length > REASON_BYTES_MAX) throw new KnhkError('ProtocolViolation', 'the reason of a refusal is too long')
  const reason = fromUtf8(reader.raw(length))
  reader.end()
  return { code: isErrorCode(code) ? code : 'Refused', reason }
}

/** The version that both sides will speak. */
export function encodeAccepted(version: ProtocolVersion): Uint8Array {
  return new ByteWriter(4).u16(version.major).u16(version.minor).finish()
}

export function decodeAccepted(payload: Uint8Array): ProtocolVersion {
  const reader = new ByteReader(payload)
  const version = { major: reader.u16(), minor: reader.u16() }
  reader.end()
  return version
}

function writeIdentity(out: ByteWriter, identity: Welcome): ByteWriter {
  const name = toUtf8(identity.nodeId)
  return out
    .u16(identity.version.major)
    .u16(identity.version.minor)
    .raw(identity.clusterId)
    .raw(identity.configHash)
    .u8(name.length)
    .raw(name)
    .u8(identity.incarnation.length)
    .raw(identity.incarnation)
}

function readIdentity(reader: ByteReader): Welcome {
  const version = { major: reader.u16(), minor: reader.u16() }
  if (version.major !== PROTOCOL_MAJOR) {
    throw new KnhkError(
      'ProtocolViolation',
      `protocol version ${version.major} is not spoken here, only ${PROTOCOL_MAJOR}`,
    )
  }
  const clusterId = reader.raw(CLUSTER_ID_BYTES)
  const configHash = reader.raw(CONFIG_HASH_BYTES)
  const name = fromUtf8(reader.raw(reader.u8()))
  if (!/^[a-z0-9-]{1,64}$/.test(name)) throw new KnhkError('ProtocolViolation', 'a node id has 1 to 64 of [a-z0-9-]')
  const incarnation = reader.raw(reader.u8())
  if (incarnation.length > INCARNATION_BYTES_MAX) throw new KnhkError('ProtocolViolation', 'an incarnation is too long')
  return { version, clusterId, configHash, nodeId: nodeId(name), incarnation }
}
