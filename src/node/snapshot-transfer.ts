/**
 * The bytes of snapshots between nodes, beside the protocol (Raft paper, figure 13, in pieces). The one
 * who needs a snapshot asks for one piece after the other, so the pace is its own, memory stays bounded,
 * and either side may die in between: what is on disk is not asked for again. Any node that has the
 * file serves it: its name is the hash of its content.
 */
import { bytesEqual, toHex } from '../base/bytes.js'
import { hasCode } from '../base/error.js'
import type { SnapshotOffer } from '../consensus/snapshot.js'
import type { Millis, NodeId } from '../consensus/types.js'
import type { NodeLimits } from './limits.js'
import type {
  Clock,
  Logger,
  Scheduler,
  SnapshotFrame,
  SnapshotLinks,
  SnapshotReception,
  SnapshotStore,
} from './ports.js'

export interface SnapshotTransferOptions {
  readonly snapshots: SnapshotStore
  readonly links: SnapshotLinks
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly limits: NodeLimits
  readonly logger: Logger
  readonly onFetched: (snapshot: SnapshotOffer) => void
  /** A peer asked for what is no longer here. */
  readonly onGone: (id: Uint8Array) => void
  readonly onFailed: (error: unknown) => void
}

/** One snapshot on its way here. */
interface Fetch {
  readonly offer: SnapshotOffer
  from: NodeId
  reception: SnapshotReception | null
  /** Bytes on disk or being written. */
  offset: number
  /** A piece is being written: the next is asked for when it is. */
  writing: boolean
  askedMs: Millis
}

export class SnapshotTransfer {
  readonly #options: SnapshotTransferOptions
  #fetch: Fetch | null = null
  /** Peers whose piece is being read from disk. */
  readonly #serving = new Set<NodeId>()
  #stopped = false

  constructor(options: SnapshotTransferOptions) {
    this.#options = options
    options.links.onFrame = (from, frame) => this.#receive(from, frame)
  }

  /** A leader offers what this node needs. Called again and again until it is here. */
  fetch(from: NodeId, offer: SnapshotOffer): void {
    const known = this.#options.snapshots.list().find(({ id }) => bytesEqual(id, offer.id))
    if (known !== undefined) {
      this.#fetch = null
      this.#options.onFetched(known)
      return
    }
    const running = this.#fetch
    if (running !== null && bytesEqual(running.offer.id, offer.id)) {
      running.from = from
      this.#askAgain(running)
      return
    }
    // What is being written first ends; the next offer comes with the next heartbeat.
    if (running?.writing === true) return
    this.#begin(from, offer)
  }

  stop(): void {
    this.#stopped = true
    this.#fetch = null
  }

  #begin(from: NodeId, offer: SnapshotOffer): void {
    const { snapshots, clock, logger } = this.#options
    const fetch: Fetch = { offer, from, reception: null, offset: 0, writing: true, askedMs: clock.monotonicMs() }
    this.#fetch = fetch
    this.#guard(fetch, async () => {
      const reception = await snapshots.receive(offer)
      logger.log('info', 'fetching a snapshot', {
        from,
        index: offer.base.index,
        bytes: offer.bytes,
        resumedAt: reception.offset,
      })
      fetch.reception = reception
      fetch.offset = reception.offset
      await this.#continue(fetch)
    })
  }

  /** Asks for the next piece, or ends. */
  async #continue(fetch: Fetch): Promise<void> {
    fetch.writing = false
    if (this.#fetch !== fetch || this.#stopped) return
    if (fetch.offset < fetch.offer.bytes) {
      this.#ask(fetch)
      return
    }
    fetch.writing = true
    const info = await (fetch.reception as SnapshotReception).finish()
    if (this.#fetch !== fetch || this.#stopped) return
    this.#fetch = null
    this.#options.onFetched(info)
  }

  #ask(fetch: Fetch): void {
    const { links, limits, clock } = this.#options
    fetch.askedMs = clock.monotonicMs()
    const maxBytes = Math.min(limits.snapshotPieceBytes, fetch.offer.bytes - fetch.offset)
    links.send(fetch.from, { type: 'snapshotRequest', id: fetch.offer.id, offset: fetch.offset, maxBytes })
  }

  /** With the leader's next heartbeat: what was asked for may have got lost. */
  #askAgain(fetch: Fetch): void {
    const { clock, limits } = this.#options
    if (fetch.writing || fetch.reception === null) return
    if (clock.monotonicMs() >= fetch.askedMs + limits.snapshotRetryMs) this.#ask(fetch)
  }

  #receive(from: NodeId, frame: SnapshotFrame): void {
    if (this.#stopped) return
    if (frame.type === 'snapshotRequest') this.#serve(from, frame)
    else if (frame.type === 'snapshotChunk') this.#take(frame)
    else if (this.#fetch !== null && bytesEqual(this.#fetch.offer.id, frame.id) && !this.#fetch.writing) {
      this.#options.logger.log('info', 'a snapshot is gone at its source', { from, id: toHex(frame.id.subarray(0, 8)) })
      this.#fetch = null
    }
  }

  #take({ id, offset, bytes }: Extract<SnapshotFrame, { type: 'snapshotChunk' }>): void {
    const fetch = this.#fetch
    if (fetch === null || fetch.reception === null || fetch.writing || !bytesEqual(fetch.offer.id, id)) return
    if (offset !== fetch.offset || bytes.length === 0 || offset + bytes.length > fetch.offer.bytes) return
    fetch.writing = true
    const { reception } = fetch
    this.#guard(fetch, async () => {
      await reception.write(bytes)
      fetch.offset += bytes.length
      await this.#pace(bytes.length)
      await this.#continue(fetch)
    })
  }

  /** Leaves room on the link and on the disk for everything else. */
  #pace(bytes: number): Promise<void> {
    const { scheduler, limits } = this.#options
    const delayMs = (bytes / limits.snapshotBytesPerSecondMax) * 1000
    return new Promise((resolve) => void scheduler.after(delayMs, resolve))
  }

  #serve(from: NodeId, { id, offset, maxBytes }: Extract<SnapshotFrame, { type: 'snapshotRequest' }>): void {
    const { snapshots, links, limits, onGone, onFailed } = this.#options
    if (this.#serving.has(from)) return
    this.#serving.add(from)
    snapshots
      .read(id, offset, Math.min(maxBytes, limits.snapshotPieceBytes))
      .then((bytes) => {
        this.#serving.delete(from)
        if (this.#stopped) return
        links.send(from, bytes === null ? { type: 'snapshotGone', id } : { type: 'snapshotChunk', id, offset, bytes })
        if (bytes === null) onGone(id)
      })
      .catch(onFailed)
  }

  /** What was received and is not what was offered is dropped, and offered again; any other failure ends the node. */
  #guard(fetch: Fetch, work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      if (this.#stopped) return
      if (!hasCode(error, 'Corrupt')) {
        this.#options.onFailed(error)
        return
      }
      this.#options.logger.log('warn', 'a fetched snapshot is not what was offered', { from: fetch.from })
      if (this.#fetch === fetch) this.#fetch = null
    })
  }
}
