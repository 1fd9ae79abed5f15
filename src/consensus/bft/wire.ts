/**
 * The messages of the Byzantine protocols as bytes: the first byte names the message, its protocol's
 * codec does the rest. PBFT has 0x40 to 0x4f, HotStuff 0x50 to 0x5f, the hybrid 0x60 to 0x6e, what
 * drivers say to each other 0x6f. The same bytes travel, are stored, and are evidence.
 */
import { decodeHybrid, encodeHybrid, isHybrid, isHybridCode } from '../hybrid/codec.js'
import type { HybridMessage } from '../hybrid/messages.js'
import { decodeForward, encodeForward, FORWARD_CODE, type ForwardRequests } from './forward.js'
import { decodeHotStuff, encodeHotStuff, type HotStuffMessage, isHotStuff, isHotStuffCode } from './hotstuff/codec.js'
import { decodePbft, encodePbft, isPbft, isPbftCode } from './pbft/codec.js'
import type { PbftMessage } from './pbft/messages.js'

export type BftMessage = ForwardRequests | PbftMessage | HotStuffMessage | HybridMessage

export function encodeBftMessage(message: BftMessage): Uint8Array {
  if (isPbft(message)) return encodePbft(message)
  if (isHybrid(message)) return encodeHybrid(message)
  return isHotStuff(message) ? encodeHotStuff(message) : encodeForward(message)
}

/** Null for a message that this version does not know. Throws `ProtocolViolation`. */
export function decodeBftMessage(bytes: Uint8Array): BftMessage | null {
  if (isPbftCode(bytes[0])) return decodePbft(bytes)
  if (isHotStuffCode(bytes[0])) return decodeHotStuff(bytes)
  if (isHybridCode(bytes[0])) return decodeHybrid(bytes)
  return bytes[0] === FORWARD_CODE ? decodeForward(bytes) : null
}

/** The body that a message proposes to order; null where it proposes none. */
export function proposedBody(message: { readonly type: string }): Uint8Array | null {
  if (isPbft(message) && message.type === 'pbftPrePrepare' && message.value.kind === 'data') return message.value.body
  if (isHotStuff(message) && message.type === 'hsProposal' && message.header.kind === 'data') return message.body
  return null
}
