/**
 * The bytes of snapshots between nodes, beside the protocol (Raft paper, figure 13, in pieces). The one
 * who needs a snapshot asks for one piece after the other, so the pace is its own, memory stays bounded,
 * and either side may die in between: what is on disk is not asked for again. Any node that has the
 * file serves it: its name is the hash of its content.
 */
import { bytesEqual, toHex } from '../base/bytes.js'
import { hasCode } from '../base/error.js'
import type { Sha256 } from '../consensus/entry.js'
import type { SnapshotOffer } from '../consensus/snapshot.js'
import type { Millis, NodeId } from '../consensus/types.js'
import type { Observer } from '../telemetry/observer.js'
import type { NodeLimits } from './limits.js'
import type {
  Clock,
  Logger,
  Scheduler,
  SnapshotFrame,
  SnapshotInfo,
  SnapshotLinks,
  SnapshotReception,
  SnapshotStore,
} from './ports.js'
import { holdsState } from './snapshot-check.js'

export interface SnapshotTransferOptions {
  readonly snapshots: SnapshotStore
  readonly links: SnapshotLinks
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly limits: NodeLimits
  readonly logger: Logger
  readonly observer: Observer
  readonly sha256: Sha256
  readonly onFetched: (snapshot: SnapshotOffer) => void
  /** What this peer gave does not hold the state that was asked for. */
  readonly onRejected: (from: NodeId, id: Uint8Array) => void
  /** A peer asked for what is no longer here. */
  readonly onGone: (id: Uint8Array) => void
  readonly onFailed: (error: unknown) => void
}

/** One snapshot on its way here. */
interface Fetch {
  readonly offer: SnapshotOffer
  /** What the state in it must hash to; null where its source is trusted. */
  readonly stateDigest: Uint8Array | null
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

  /** A peer offers what this node needs. Called again and again until it is here. */
  fetch(from: NodeId, offer: SnapshotOffer, stateDigest: Uint8Array | null): void {
    const known = this.#options.snapshots.list().find(({ id }) => bytesEqual(id, offer.id))
    if (known !== undefined && stateDigest === null) {
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
    if (known === undefined) this.#begin(from, offer, stateDigest)
    else this.#checkKnown(from, known, stateDigest)
  }

  /** Of the snapshot on its way here; 0 where none is. */
  get bytesMissing(): number {
    return this.#fetch === null ? 0 : this.#fetch.offer.bytes - this.#fetch.offset
  }

  stop(): void {
    this.#stopped = true
    this.#fetch = null
  }

  #begin(from: NodeId, offer: SnapshotOffer, stateDigest: Uint8Array | null): void {
    const { snapshots, logger, observer } = this.#options
    const fetch = this.#newFetch(from, offer, stateDigest)
    observer.snapshotFetching(offer.base.index, offer.bytes)
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
    this.#options.observer.snapshotReceived(info.base.index, info.bytes)
    await this.#conclude(fetch, info)
  }

  /** It was fetched in an earlier run, perhaps without the check. */
  #checkKnown(from: NodeId, known: SnapshotInfo, stateDigest: Uint8Array | null): void {
    const fetch = this.#newFetch(from, known, stateDigest)
    this.#guard(fetch, () => this.#conclude(fetch, known))
  }

  #newFetch(from: NodeId, offer: SnapshotOffer, stateDigest: Uint8Array | null): Fetch {
    const askedMs = this.#options.clock.monotonicMs()
    this.#fetch = { offer, stateDigest, from, reception: null, offset: 0, writing: true, askedMs }
    return this.#fetch
  }

  async #conclude(fetch: Fetch, info: SnapshotInfo): Promise<void> {
    const { snapshots, sha256, scheduler, logger, onFetched, onRejected } = this.#options
    const { stateDigest, from } = fetch
    const pause = () => new Promise<void>((resolve) => scheduler.nextTurn(resolve))
    const holds = stateDigest === null || (await holdsState(snapshots.pairs(info.id), stateDigest, sha256, pause))
    if (!holds) {
      logger.log('error', 'a peer gave another state than the one that a quorum signed', {
        from,
        index: info.base.index,
      })
      await snapshots.retain(({ id }) => !bytesEqual(id, info.id))
    }
    if (this.#fetch !== fetch || this.#stopped) return
    this.#fetch = null
    if (holds) onFetched(info)
    else onRejected(from, info.id)
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
