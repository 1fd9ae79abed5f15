/**
 * Every message between members as a frame: those of Raft in a frame type each, those of the Byzantine
 * protocols in one frame type, behind a byte that names them.
 */
import { type BftMessage, decodeBftMessage, encodeBftMessage } from '../consensus/bft/wire.js'
import type { ProtocolMessage } from '../consensus/core.js'
import type { RaftMessage } from '../consensus/raft/messages.js'
import { decodeRaftMessage, type EncodedMessage, encodeRaftMessage, RAFT_FRAME } from './raft-codec.js'

/** The frame type of all messages of the Byzantine protocols. */
export const BFT_FRAME = 0x40

export function encodeMessage(message: ProtocolMessage): EncodedMessage {
  if (isRaft(message)) return encodeRaftMessage(message)
  return { type: BFT_FRAME, parts: [encodeBftMessage(message)] }
}

/** Null for a type that this version does not know. Throws `ProtocolViolation`. Bodies are views into `payload`. */
export function decodeMessage(type: number, payload: Uint8Array): RaftMessage | BftMessage | null {
  return type === BFT_FRAME ? decodeBftMessage(payload) : decodeRaftMessage(type, payload)
}

/** Encodes a message that goes to several peers once: the same object gives the same bytes. */
export class MessageEncoder {
  #message: ProtocolMessage | null = null
  #encoded: EncodedMessage | null = null

  encode(message: ProtocolMessage): EncodedMessage {
    if (this.#message !== message || this.#encoded === null) {
      this.#encoded = encodeMessage(message)
      this.#message = message
    }
    return this.#encoded
  }
}

function isRaft(message: ProtocolMessage): message is RaftMessage {
  return Object.hasOwn(RAFT_FRAME, message.type)
}
