/**
 * How large frames and queues may get, by what a connection is for. The two sides of a connection for
 * clients differ: an answer may hold more than a request.
 */
import type { FrameConnectionOptions } from './frame-connection.js'
import type { Alpn } from './handshake.js'
import { TRANSPORT_LIMITS } from './limits.js'

interface LinkLimits extends Pick<FrameConnectionOptions, 'sendFrameBytesMax' | 'queueBytesMax' | 'queueFramesMax'> {
  /** Largest frame accepted once the handshake is done. */
  readonly acceptFrameBytesMax: number
}

const { peerFrameBytes, clientFrameBytes, snapshotFrameBytes } = TRANSPORT_LIMITS
const { peerQueueBytes, peerQueueMessages, clientQueueBytes } = TRANSPORT_LIMITS

const SNAPSHOT: LinkLimits = {
  acceptFrameBytesMax: snapshotFrameBytes,
  sendFrameBytesMax: snapshotFrameBytes,
  queueBytesMax: TRANSPORT_LIMITS.snapshotQueueBytes,
  queueFramesMax: TRANSPORT_LIMITS.snapshotQueueFrames,
}
const PEER = { acceptFrameBytesMax: peerFrameBytes, sendFrameBytesMax: peerFrameBytes, queueBytesMax: peerQueueBytes }
const CLIENT_DIALS = { acceptFrameBytesMax: peerFrameBytes, sendFrameBytesMax: clientFrameBytes }
const CLIENT_LISTENS = { acceptFrameBytesMax: clientFrameBytes, sendFrameBytesMax: peerFrameBytes }

export const DIALLING_LIMITS: Readonly<Record<Alpn, LinkLimits>> = {
  'knhk-peer/1': { ...PEER, queueFramesMax: peerQueueMessages },
  'knhk-snapshot/1': SNAPSHOT,
  'knhk-client/1': { ...CLIENT_DIALS, queueBytesMax: peerQueueBytes, queueFramesMax: peerQueueMessages },
}

export const LISTENING_LIMITS: Readonly<Record<Alpn, LinkLimits>> = {
  'knhk-peer/1': { ...PEER, queueFramesMax: Number.POSITIVE_INFINITY },
  'knhk-snapshot/1': SNAPSHOT,
  'knhk-client/1': {
    ...CLIENT_LISTENS,
    queueBytesMax: clientQueueBytes,
    queueFramesMax: Number.POSITIVE_INFINITY,
  },
}
