/**
 * Twins (Bano, Sonnino, Chursin, Perelman, Li, Ching and Malkhi, "Twins: BFT Systems Made Robust", 2021):
 * a member that lies is two instances of the production core under one key, and each of them is honest. What
 * the two say together is what an equivocating member can say. Steps go in phases: everybody in one part of
 * the network talks until nothing is left to say, then all timers run out, and the parts are another.
 *
 * Nothing crashes here: writes are durable at once, and time passes only between the phases.
 */
import { toHex } from '../../base/bytes.js'
import { computeBatchDigest } from '../../consensus/batch-digest.js'
import { requestSignBytes, signedRequest } from '../../consensus/bft/client-request.js'
import { proposedBody } from '../../consensus/bft/wire.js'
import type { ClusterConfiguration } from '../../consensus/configuration.js'
import type { Core, Effect, Input, ProtocolMessage, RestoredLog } from '../../consensus/core.js'
import { GENESIS_CHAIN, type Sha256 } from '../../consensus/entry.js'
import { encodeRequest, NO_SESSION } from '../../consensus/request.js'
import { encodeBody } from '../../consensus/request-body.js'
import { epoch, type LogIndex, logIndex, type NodeId, term } from '../../consensus/types.js'
import { configurationHash } from '../../node/compose.js'
import { makeCore } from '../../node/make-core.js'
import { encodeOperation } from '../../workflow/operation-codec.js'
import { SIMULATED_CLIENT_KEY } from '../cluster.js'
import { signatureHolds, simulatedSigner } from '../signatures.js'

/** Beyond any quiet phase: a phase that talks longer talks for ever. */
const MESSAGES_MAX = 5000
/** Timers that run out in one phase at once, at most: what a core wants at once it gets. */
const TICKS_MAX = 64
const CHECKPOINT_INTERVAL = 128
const START_WALL_MS = 1_750_000_000_000

interface Instance {
  /** Its place among all instances. */
  readonly at: number
  readonly id: NodeId
  readonly core: Core
  /** The request that only this instance proposes. */
  readonly request: Uint8Array
  proposed: boolean
}

interface OnTheWay {
  readonly from: Instance
  readonly to: NodeId
  readonly message: ProtocolMessage
}

export interface TwinsOptions {
  readonly configuration: ClusterConfiguration
  readonly sha256: Sha256
  /** Ordinals of the members that are two. */
  readonly twinned: readonly number[]
}

export class TwinsCluster {
  /** The members in order, then the twins in the order of `twinned`. */
  readonly instances: readonly Instance[]
  /** Where two members that are one each decided differently; null where nobody did. */
  fork: string | null = null
  /** Entries that were decided. */
  decided = 0
  readonly #options: TwinsOptions
  readonly #twinned: ReadonlySet<NodeId>
  readonly #chains = new Map<number, { readonly chain: string; readonly by: NodeId }>()
  #queue: OnTheWay[] = []
  #nowMs = 0
  /** The part of the network that each instance is in. */
  #parts: readonly number[] = []

  constructor(options: TwinsOptions) {
    this.#options = options
    const { configuration, twinned } = options
    const members = configuration.genesis.map(({ id }) => id)
    const twins = twinned.map((at) => members[at] as NodeId)
    this.#twinned = new Set(twins)
    this.instances = [...members, ...twins].map((id, at) => this.#instance(id, at))
    // The first step begins an instance, and whom it may tell is everybody.
    this.#parts = this.instances.map(() => 0)
  }

  /** One phase: `parts[i]` is the part that instance i is in. */
  phase(parts: readonly number[]): void {
    this.#parts = parts
    for (const instance of this.instances) instance.proposed = false
    this.#talk()
    this.#nowMs = this.instances.reduce((ms, { core }) => Math.max(ms, core.deadline() ?? 0), this.#nowMs + 3000)
    for (const instance of this.instances) {
      this.#step(instance, { type: 'demand', waitingSinceMs: 0 })
      this.#tick(instance)
    }
    this.#talk()
  }

  /** Everybody talks to everybody in their part, until nothing is said. */
  #talk(): void {
    let left = MESSAGES_MAX
    for (;;) {
      for (const instance of this.instances) {
        this.#propose(instance)
        this.#tick(instance)
      }
      if (this.#queue.length === 0 || left <= 0) return
      const queue = this.#queue
      this.#queue = []
      left -= queue.length
      for (const { from, to, message } of queue) {
        for (const instance of this.instances) {
          const isReached = instance.id === to && instance !== from
          if (isReached && this.#parts[instance.at] === this.#parts[from.at]) this.#deliver(from.id, instance, message)
        }
      }
    }
  }

  #deliver(from: NodeId, instance: Instance, message: ProtocolMessage): void {
    const { core } = instance
    const interest = core.interest(from, message)
    if (interest === 'drop') return
    const configHash = core.configHash()
    if (interest === 'verify') {
      const checks = core.checks(from, message)
      if (checks === null || !checks.every((check) => signatureHolds(this.#options.sha256, check))) return
    }
    // Its own request is another's now where it was in what it saw.
    if (proposedBody(message) !== null) instance.proposed = true
    this.#step(instance, { type: 'message', from, configHash, message })
  }

  #propose(instance: Instance): void {
    if (instance.proposed || !instance.core.mayPropose()) return
    instance.proposed = true
    const body = encodeBody([instance.request])
    const batchDigest = computeBatchDigest(this.#options.sha256, 'data', body)
    this.#step(instance, { type: 'propose', proposalId: instance.at, kind: 'data', body, batchDigest })
  }

  #tick(instance: Instance): void {
    for (let ticks = 0; ticks < TICKS_MAX; ticks++) {
      const dueMs = instance.core.deadline()
      if (dueMs === undefined || dueMs > this.#nowMs) return
      this.#step(instance, { type: 'tick' })
    }
  }

  #step(instance: Instance, input: Input): void {
    const now = { monotonicMs: this.#nowMs, wallMs: START_WALL_MS + this.#nowMs }
    for (const effect of instance.core.step(input, now)) this.#perform(instance, effect)
  }

  #perform(instance: Instance, effect: Effect): void {
    switch (effect.type) {
      case 'send':
        this.#queue.push({ from: instance, to: effect.to, message: effect.message })
        return
      case 'store': {
        const { writeId, epoch: at, term: of, index } = effect
        this.#step(instance, { type: 'stored', writeId, epoch: at, term: of, index })
        return
      }
      case 'commit':
        this.#committed(instance, effect.upTo)
        this.#step(instance, { type: 'executed', upTo: effect.upTo, stateDigest: null, resultRoot: null })
        return
      default:
    }
  }

  /** Agreement among the members that are one each. */
  #committed({ id, core }: Instance, upTo: LogIndex): void {
    if (this.#twinned.has(id)) return
    for (let index = upTo; index > 0; index--) {
      const entry = core.entry(logIndex(index))
      if (entry === undefined) return
      const chain = toHex(entry.chain)
      const known = this.#chains.get(index)
      if (known?.chain === chain && known.by === id) return
      if (known === undefined) {
        this.decided++
        this.#chains.set(index, { chain, by: id })
      } else if (known.chain !== chain) this.fork ??= `${known.by} and ${id} decided differently at index ${index}`
    }
  }

  #instance(id: NodeId, at: number): Instance {
    const { configuration, sha256 } = this.#options
    const { publicKey } = configuration.members.find((member) => member.id === id) as { publicKey: Uint8Array }
    const configHash = configurationHash(sha256, configuration)
    const core = makeCore(
      { configuration, self: id, configHash, checkpointInterval: CHECKPOINT_INTERVAL, limits: {} },
      {
        sha256,
        sign: simulatedSigner(sha256, publicKey),
        mayChangeMembers: () => false,
        liveCulprits: () => [],
        random: () => 0.5,
        restored: EMPTY_LOG,
        now: { monotonicMs: 0, wallMs: START_WALL_MS },
      },
    )
    return { at, id, core, request: this.#request(at), proposed: false }
  }

  #request(at: number): Uint8Array {
    const { configuration, sha256 } = this.#options
    const header = { session: NO_SESSION, firstSequence: at + 1, ackedBelow: 0, clientKey: SIMULATED_CLIENT_KEY }
    const unsigned = encodeRequest(header, [encodeOperation({ type: 'OpenSession', ordered: false })])
    const sign = simulatedSigner(sha256, SIMULATED_CLIENT_KEY)
    return signedRequest(unsigned, sign(requestSignBytes(sha256, configuration.clusterId, unsigned)))
  }
}

const EMPTY_LOG: RestoredLog = {
  hardState: { epoch: epoch(0), term: term(0), votedFor: null },
  base: { index: logIndex(0), epoch: epoch(0), term: term(0), chain: GENESIS_CHAIN, timestampMs: 0, membership: null },
  lastIndex: logIndex(0),
  termRuns: [],
  memberships: [],
  snapshot: null,
  tail: [],
  commitIndex: logIndex(0),
  mayVote: true,
  safety: null,
  pending: [],
  aborts: [],
}
