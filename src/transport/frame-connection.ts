/**
 * One authenticated or not yet authenticated TLS connection that carries frames both ways. It owns
 * the socket: what arrives is cut into frames, what is sent is collected and leaves as one write per
 * turn, and however the connection ends, `onClose` is told exactly once, with a typed error or null.
 */
import type { TLSSocket } from 'node:tls'
import { assert } from '../base/assert.js'
import { KnhkError } from '../base/error.js'
import { FRAME_HEADER_BYTES, type FrameHandler, FrameParser } from './frames.js'
import { TRANSPORT_LIMITS } from './limits.js'
import { type FramePayload, OutputQueue, payloadLength } from './output-queue.js'

/** What connection users see: PeerLinks, the client listener and the client library build on it. */
export interface FrameLink {
  /**
   * Queues one frame; it leaves at the end of this turn of the loop, or at `flush`. The payload is
   * copied. False, and the frame is dropped, when the link is closed or its queue is full. Throws
   * `FrameTooLarge` for a frame that the other side would not take.
   */
  send(type: number, payload: FramePayload): boolean
  /** Writes what is queued now. */
  flush(): void
  /** The payload is the receiver's to keep: its memory is never reused. Early frames wait for the handler. */
  onFrame: FrameHandler
  /** Told once: null after `close`, otherwise why the link ended. */
  onClose: (error: KnhkError | null) => void
  /** Bytes queued and not yet taken by the operating system. */
  readonly bufferedBytes: number
  /** Smoothed round-trip time; null before the first measurement. */
  readonly rttMs: number | null
  readonly open: boolean
  /** Sends what is queued, then ends the connection. */
  close(): void
}

export interface FrameConnectionOptions {
  /** Largest frame accepted from the other side; raised after the handshake. */
  readonly maxFrameBytes: number
  /** Largest frame that the other side would accept. */
  readonly sendFrameBytesMax: number
  readonly queueBytesMax: number
  readonly queueFramesMax: number
  /** Flush by itself at the end of the turn. A node flushes explicitly instead. */
  readonly autoFlush: boolean
}

/** What a server may push between its WELCOME and the first handler on this side. */
const EARLY_FRAMES_MAX = 16
const CLOSING_CODES: ReadonlySet<string> = new Set(['ProtocolViolation', 'FrameTooLarge'])

export class FrameConnection implements FrameLink {
  readonly #socket: TLSSocket
  readonly #parser: FrameParser
  readonly #queue = new OutputQueue()
  readonly #options: FrameConnectionOptions
  /** Sees every frame first; true means that it is dealt with. */
  intercept: (type: number, payload: Uint8Array) => boolean = () => false
  /** Set by whoever measures. */
  rttMs: number | null = null
  /** Counts chunks received: a sign of life. */
  received = 0
  #onFrame: FrameHandler | null = null
  #early: { readonly type: number; readonly payload: Uint8Array }[] = []
  #onClose: ((error: KnhkError | null) => void) | null = null
  readonly #endings: ((error: KnhkError | null) => void)[] = []
  #error: KnhkError | null = null
  #open = true
  #ended = false
  #inFlightBytes = 0
  #inFlightFrames = 0
  #flushWanted = false
  #flushScheduled = false

  constructor(socket: TLSSocket, options: FrameConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#parser = new FrameParser(options.maxFrameBytes)
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (cause) => this.destroy(new KnhkError('Unreachable', 'the connection was lost', { cause })))
    socket.on('close', () => this.#closed())
  }

  get open(): boolean {
    return this.#open
  }

  get bufferedBytes(): number {
    return this.#queue.bytes + this.#inFlightBytes
  }

  /** Bytes queued since the last flush. */
  get queuedBytes(): number {
    return this.#queue.bytes
  }

  get onFrame(): FrameHandler {
    return this.#onFrame ?? (() => {})
  }

  set onFrame(handler: FrameHandler) {
    this.#onFrame = handler
    const early = this.#early
    this.#early = []
    for (const { type, payload } of early) if (this.#open) handler(type, payload)
  }

  get onClose(): (error: KnhkError | null) => void {
    return this.#onClose ?? (() => {})
  }

  set onClose(handler: (error: KnhkError | null) => void) {
    this.#onClose = handler
    if (this.#ended) queueMicrotask(() => handler(this.#error))
  }

  /** For the transport's own parts: `onClose` belongs to the user of the link. */
  whenEnded(callback: (error: KnhkError | null) => void): void {
    this.#endings.push(callback)
  }

  /** Raises the limit once the other side is known. */
  set maxFrameBytes(bytes: number) {
    this.#parser.maxFrameBytes = bytes
  }

  send(type: number, payload: FramePayload): boolean {
    if (!this.#open) return false
    const length = payloadLength(payload)
    if (length + 1 > this.#options.sendFrameBytesMax) {
      const sizes = `${length + 1} bytes is over the limit of ${this.#options.sendFrameBytesMax}`
      throw new KnhkError('FrameTooLarge', `a frame of ${sizes}`)
    }
    if (this.bufferedBytes + FRAME_HEADER_BYTES + length > this.#options.queueBytesMax) return false
    if (this.#queue.frames + this.#inFlightFrames >= this.#options.queueFramesMax) return false
    this.#queue.append(type, payload, length)
    if (this.#options.autoFlush && !this.#flushScheduled) {
      this.#flushScheduled = true
      setImmediate(() => {
        this.#flushScheduled = false
        this.flush()
      })
    }
    return true
  }

  flush(): void {
    if (this.#inFlightBytes > 0) {
      this.#flushWanted = true
      return
    }
    if (this.#queue.bytes === 0 || this.#ended || this.#socket.destroyed) return
    this.#inFlightBytes = this.#queue.bytes
    this.#inFlightFrames = this.#queue.frames
    const bytes = this.#queue.take()
    this.#socket.write(bytes, (error) => this.#written(bytes, error))
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#parser.stop()
    this.flush()
    // With a write still under way, `#written` sends the rest and then ends.
    if (this.#inFlightBytes === 0) this.#socket.end()
    setTimeout(() => this.#socket.destroy(), TRANSPORT_LIMITS.lingerMs).unref()
  }

  /** Ends at once because of `error`; what is queued is lost. */
  destroy(error: KnhkError | null): void {
    if (!this.#open && this.#ended) return
    if (this.#open) this.#error = error
    this.#open = false
    this.#parser.stop()
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    this.received += 1
    try {
      this.#parser.push(chunk, this.#deliver)
    } catch (error) {
      // What the other side got wrong costs it the connection; anything else is a defect and must show.
      if (!(error instanceof KnhkError) || !CLOSING_CODES.has(error.code)) throw error
      this.destroy(error)
    }
  }

  readonly #deliver: FrameHandler = (type, payload) => {
    if (!this.#open || this.intercept(type, payload)) return
    if (this.#onFrame !== null) this.#onFrame(type, payload)
    else if (this.#early.length < EARLY_FRAMES_MAX) this.#early.push({ type, payload })
    else throw new KnhkError('ProtocolViolation', 'frames arrive before anybody can expect them')
  }

  #written(bytes: Uint8Array, error: Error | null | undefined): void {
    assert(this.#inFlightBytes === bytes.length, 'one write at a time')
    this.#inFlightBytes = 0
    this.#inFlightFrames = 0
    if (error) return
    this.#queue.recycle(bytes)
    if (!this.#open) {
      if (this.#queue.bytes > 0) this.flush()
      else this.#socket.end()
      return
    }
    if (this.#flushWanted) {
      this.#flushWanted = false
      this.flush()
    }
  }

  #closed(): void {
    if (this.#ended) return
    if (this.#open) this.#error = new KnhkError('Unreachable', 'the other side closed the connection')
    this.#open = false
    this.#ended = true
    this.#parser.stop()
    this.#queue.clear()
    for (const callback of this.#endings) callback(this.#error)
    this.#onClose?.(this.#error)
  }
}
