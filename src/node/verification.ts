/**
 * The verification stage between the links and a Byzantine core: a message passes only when every
 * signature that it claims holds. Checks run beside the loop, several at once, each distinct check once
 * (a client's request is checked when the client sends it, and found in the cache when it comes back in
 * a proposal); per peer, messages are passed on in the order in which they arrived.
 *
 * A signature that does not hold is held against the connection that delivered it, never against the
 * name inside.
 */
import type { SignatureCheck } from '../consensus/bft/checks.js'
import type { IsVerified } from '../consensus/bft/client-request.js'
import type { Core, ProtocolMessage } from '../consensus/core.js'
import type { Sha256 } from '../consensus/entry.js'
import type { Millis, NodeId } from '../consensus/types.js'
import type { SignatureVerifier } from './ports.js'

export interface VerificationLimits {
  /** Messages of one peer that wait for their checks; beyond, its newest are dropped. */
  readonly waitingMessagesMax: number
  /** Bytes of them, as far as bodies are concerned. */
  readonly cachedChecksMax: number
}

export const DEFAULT_VERIFICATION_LIMITS: VerificationLimits = {
  waitingMessagesMax: 8192,
  cachedChecksMax: 65_536,
}

export interface VerificationOptions {
  readonly core: Pick<Core, 'interest' | 'checks' | 'configHash'>
  readonly verifier: SignatureVerifier
  readonly sha256: Sha256
  readonly limits?: VerificationLimits
  /** A message whose signatures all hold under this configuration, or that needs none. */
  readonly onVerified: (from: NodeId, message: ProtocolMessage, configHash: Uint8Array, arrivedMs: Millis) => void
  /** What a connection delivered does not hold; `reason` says why. */
  readonly onInvalid: (from: NodeId, message: ProtocolMessage, reason: 'unsound' | 'signature') => void
}

type Verdict = 'open' | 'valid' | 'invalid'

interface Waiting {
  readonly message: ProtocolMessage
  readonly configHash: Uint8Array
  readonly arrivedMs: Millis
  verdict: Verdict
}

export class Verification {
  /** Whether a request, byte for byte, is one whose signature was found to hold: set by whoever keeps them. */
  isVerified: IsVerified = () => false
  readonly #options: VerificationOptions
  readonly #limits: VerificationLimits
  readonly #queues = new Map<NodeId, Waiting[]>()
  /** Checks that held, oldest first. */
  readonly #held = new Set<string>()
  /** Checks under way, and who waits for them. */
  readonly #open = new Map<string, ((valid: boolean) => void)[]>()

  constructor(options: VerificationOptions) {
    this.#options = options
    this.#limits = options.limits ?? DEFAULT_VERIFICATION_LIMITS
  }

  /** Messages that wait for a check, of all peers. */
  get waiting(): number {
    let count = 0
    for (const queue of this.#queues.values()) count += queue.length
    return count
  }

  /** Takes a message from an authenticated link; `arrivedMs` is only handed on. */
  receive(from: NodeId, message: ProtocolMessage, arrivedMs: Millis): void {
    const { core } = this.#options
    const interest = core.interest(from, message)
    if (interest === 'drop') return
    const queue = this.#queues.get(from) ?? []
    const configHash = core.configHash()
    if (interest === 'keep') {
      if (queue.length === 0) this.#options.onVerified(from, message, configHash, arrivedMs)
      else this.#push(from, queue, { message, configHash, arrivedMs, verdict: 'valid' })
      return
    }
    const checks = core.checks(from, message, this.isVerified)
    if (checks === null) {
      this.#options.onInvalid(from, message, 'unsound')
      return
    }
    const waiting: Waiting = { message, configHash, arrivedMs, verdict: 'open' }
    if (!this.#push(from, queue, waiting)) return
    this.checkAll(checks, (valid) => {
      waiting.verdict = valid ? 'valid' : 'invalid'
      this.#release(from)
    })
  }

  /** `done` is told once whether all of them hold: at once where all are known, else later. */
  checkAll(checks: readonly SignatureCheck[], done: (valid: boolean) => void): void {
    let left = checks.length
    let valid = true
    if (left === 0) done(true)
    for (const check of checks) {
      this.#check(check, (holds) => {
        if (!holds) valid = false
        left--
        if (left === 0) done(valid)
      })
    }
  }

  /** Passes on what is decided at the head of a peer's queue. */
  #release(from: NodeId): void {
    const queue = this.#queues.get(from)
    if (queue === undefined) return
    const { onVerified, onInvalid } = this.#options
    let passed = 0
    for (const { message, configHash, arrivedMs, verdict } of queue) {
      if (verdict === 'open') break
      passed++
      if (verdict === 'valid') onVerified(from, message, configHash, arrivedMs)
      else onInvalid(from, message, 'signature')
    }
    if (passed > 0) queue.splice(0, passed)
  }

  #push(from: NodeId, queue: Waiting[], waiting: Waiting): boolean {
    if (queue.length >= this.#limits.waitingMessagesMax) return false
    this.#queues.set(from, queue)
    queue.push(waiting)
    return true
  }

  #check(check: SignatureCheck, done: (valid: boolean) => void): void {
    const name = this.#nameOf(check)
    if (this.#held.has(name)) {
      done(true)
      return
    }
    const open = this.#open.get(name)
    if (open !== undefined) {
      open.push(done)
      return
    }
    const waiters = [done]
    this.#open.set(name, waiters)
    this.#options.verifier.verify(check, (valid) => {
      this.#open.delete(name)
      if (valid) this.#remember(name)
      for (const waiter of waiters) waiter(valid)
    })
  }

  #remember(name: string): void {
    this.#held.add(name)
    if (this.#held.size <= this.#limits.cachedChecksMax) return
    for (const oldest of this.#held) {
      this.#held.delete(oldest)
      return
    }
  }

  /** Names a check by everything in it: another signature, or the same under another key, is another check. */
  #nameOf({ publicKey, bytes, signature }: SignatureCheck): string {
    const all = new Uint8Array(publicKey.length + signature.length + bytes.length)
    all.set(publicKey, 0)
    all.set(signature, publicKey.length)
    all.set(bytes, publicKey.length + signature.length)
    return String.fromCharCode(...this.#options.sha256(all))
  }
}
