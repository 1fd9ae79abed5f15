/**
 * Orders of operators on their way to a node, and what came of them. Fixed layouts, strictly decoded,
 * see docs/wire-protocol.md: an order changes who decides, so nothing in it is left to interpretation.
 */
import { assert } from '../base/assert.js'
import { ByteReader, ByteWriter } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ChangeAuthority } from '../consensus/bft/change-authority.js'
import { SIGNATURE_BYTES } from '../consensus/bft/statement.js'
import type { OperatorOrder } from '../consensus/core.js'
import { MEMBERS_MAX, type TargetMember } from '../consensus/membership.js'
import { epoch, type LogIndex, logIndex, type NodeId, nodeId } from '../consensus/types.js'
import { type AnswerContext, pick, readContext, writeContext } from './client-protocol.js'
import { packValue, unpackRecord } from './msgpack.js'

/** What an operator can ask of a node: orders to the core, and those to the node itself. */
export type ClientOrder =
  | OperatorOrder
  /** Take a snapshot of the applied state now. */
  | { readonly kind: 'takeSnapshot' }
  /** Drop what a snapshot covers, trailing entries included. */
  | { readonly kind: 'compactLog' }

/** Positions are the numbers on the wire; 0 is no kind. */
const KINDS = [null, 'transferLeadership', 'changeMembership', 'takeSnapshot', 'compactLog', 'setMode'] as const
const MODES = ['raft', 'pbft', 'hotstuff', 'bft'] as const
const ROLES = ['voter', 'learner'] as const
const KEY_BYTES = 32
const NODE_ID = /^[a-z0-9-]{1,64}$/
/** Longest address or zone, in characters. */
const TEXT_CHARS_MAX = 300
/** Largest `detail` of an answer. */
export const ORDER_DETAIL_BYTES_MAX = 64 * 1024

export interface OrderFrame {
  readonly requestNumber: number
  readonly order: ClientOrder
}

/** u32 request number, u8 kind, the fields of that kind. */
export function encodeOrder({ requestNumber, order }: OrderFrame): Uint8Array {
  const out = new ByteWriter(128).u32(requestNumber).u8(KINDS.indexOf(order.kind))
  if (order.kind === 'transferLeadership') out.text(order.target ?? '')
  if (order.kind === 'setMode') out.u8(MODES.indexOf(order.mode))
  if (order.kind === 'changeMembership') {
    assert(order.target.length <= MEMBERS_MAX, 'a cluster has a bounded number of members')
    out.u64(order.planned).u8(order.target.length)
    for (const member of order.target) writeTarget(out, member)
    writeAuthority(out, order.authority)
  }
  return out.finish()
}

/** Throws `ProtocolViolation`. Whether the order makes sense is for the node to say. */
export function decodeOrder(payload: Uint8Array): OrderFrame {
  const reader = new ByteReader(payload)
  const requestNumber = reader.u32()
  const order = readOrder(reader)
  reader.end()
  return { requestNumber, order }
}

function readOrder(reader: ByteReader): ClientOrder {
  const kind = pick(KINDS, reader.u8())
  switch (kind) {
    case 'transferLeadership': {
      const target = reader.text()
      return { kind, target: target === '' ? null : checkedId(target) }
    }
    case 'changeMembership': {
      const planned: LogIndex = logIndex(reader.u64())
      const count = reader.u8()
      if (count > MEMBERS_MAX) throw new KnhkError('ProtocolViolation', `${count} are more members than a cluster has`)
      const target = Array.from({ length: count }, () => readTarget(reader))
      const authority = readAuthority(reader)
      return authority === null ? { kind, planned, target } : { kind, planned, target, authority }
    }
    case 'setMode':
      return { kind, mode: pick(MODES, reader.u8()) }
    case 'takeSnapshot':
    case 'compactLog':
      return { kind }
    case null:
      throw new KnhkError('ProtocolViolation', 'an order without a kind')
  }
}

/** text id, 32 bytes key, text address, text zone, u8 role, u8 promote. */
function writeTarget(out: ByteWriter, member: TargetMember): void {
  assert(member.publicKey.length === KEY_BYTES, 'a public key has 32 bytes')
  out.text(member.id).raw(member.publicKey).text(member.address).text(member.zone)
  out.u8(ROLES.indexOf(member.role)).u8(Number(member.promote))
}

function readTarget(reader: ByteReader): TargetMember {
  return {
    id: checkedId(reader.text()),
    publicKey: reader.raw(KEY_BYTES).slice(),
    address: checkedText(reader.text()),
    zone: checkedText(reader.text()),
    role: pick(ROLES, reader.u8()),
    promote: reader.flag(),
  }
}

/** Flag; u32 epoch, 32 bytes key, 64 bytes signature. */
function writeAuthority(out: ByteWriter, authority: ChangeAuthority | undefined): void {
  out.u8(Number(authority !== undefined))
  if (authority !== undefined) out.u32(authority.epoch).raw(authority.publicKey).raw(authority.signature)
}

function readAuthority(reader: ByteReader): ChangeAuthority | null {
  if (!reader.flag()) return null
  const signedIn = epoch(reader.u32())
  return {
    epoch: signedIn,
    publicKey: reader.raw(KEY_BYTES).slice(),
    signature: reader.raw(SIGNATURE_BYTES).slice(),
  }
}

function checkedId(text: string): NodeId {
  if (!NODE_ID.test(text)) throw new KnhkError('ProtocolViolation', 'a node id has 1 to 64 of [a-z0-9-]')
  return nodeId(text)
}

function checkedText(text: string): string {
  if (text.length > TEXT_CHARS_MAX) throw new KnhkError('ProtocolViolation', 'an address or zone is too long')
  return text
}

export interface OrderedFrame extends AnswerContext {
  readonly requestNumber: number
  /** The entry by which the order is under way; null where none was needed. */
  readonly index: number | null
  /** What else there is to say: plain data; null for nothing. */
  readonly detail: Readonly<Record<string, unknown>> | null
}

/** u32 request number, u8 mode, u8 assurance, u32 epoch, flag and u64 index, then the detail if there is one. */
export function encodeOrdered(frame: OrderedFrame): Uint8Array {
  const out = writeContext(new ByteWriter(64).u32(frame.requestNumber), frame).u8(Number(frame.index !== null))
  if (frame.index !== null) out.u64(frame.index)
  if (frame.detail !== null) {
    const detail = packValue(frame.detail)
    assert(detail.length <= ORDER_DETAIL_BYTES_MAX, 'the detail of an answer is small')
    out.raw(detail)
  }
  return out.finish()
}

/** Throws `ProtocolViolation`. */
export function decodeOrdered(payload: Uint8Array): OrderedFrame {
  const reader = new ByteReader(payload)
  const requestNumber = reader.u32()
  const context = readContext(reader)
  const index = reader.flag() ? reader.u64() : null
  if (reader.remaining > ORDER_DETAIL_BYTES_MAX) throw new KnhkError('ProtocolViolation', 'a detail is too large')
  const rest = reader.raw(reader.remaining)
  return { requestNumber, ...context, index, detail: rest.length === 0 ? null : unpackRecord(rest, 'details') }
}
