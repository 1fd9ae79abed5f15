/**
 * Every bound of the transport in one place; docs/limits.md is made from it. Sizes in bytes, times in
 * milliseconds.
 */
const KIB = 1024
const MIB = 1024 * KIB

export const TRANSPORT_LIMITS = {
  /** Before authentication nobody may send more than a handshake needs. */
  handshakeFrameBytes: 4 * KIB,
  /** 16 MiB of entries and room for the message around them. */
  peerFrameBytes: 16 * MIB + 64 * KIB,
  clientFrameBytes: 4 * MIB,
  /** From the TCP connection to the last handshake frame. */
  handshakeTimeoutMs: 5_000,
  unauthenticatedConnections: 64,
  clientConnections: 1_024,
  /** Queued and not yet taken by the operating system, per peer. */
  peerQueueBytes: 64 * MIB,
  peerQueueMessages: 65_536,
  /** A client that does not read its answers is disconnected. */
  clientQueueBytes: 64 * MIB,
  /** One piece of a snapshot. */
  snapshotChunkBytes: 512 * KIB,
  /** A piece and what names it. */
  snapshotFrameBytes: 512 * KIB + 64,
  /** Two pieces and some requests, per peer: beyond, the sender is told to try again later. */
  snapshotQueueBytes: MIB + 64 * KIB,
  snapshotQueueFrames: 1_024,
  /** A link for snapshots on which nothing moves is ended after one to two of these. */
  snapshotIdleMs: 30_000,
  pingIntervalMs: 500,
  /** Pings without any sign of life in between until a link counts as dead: 3 s. */
  unansweredPings: 6,
  /** A client asks elsewhere after 1.5 s: asking twice is harmless, waiting for a hung leader is not. */
  unansweredPingsOfClient: 3,
  reconnectMinMs: 50,
  reconnectMaxMs: 1_000,
  /** How long the other side may take to read the reason of a refusal. */
  lingerMs: 1_000,
} as const
