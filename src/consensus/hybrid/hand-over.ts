/**
 * The decision where an epoch ends: one slot of PBFT among the members of that epoch, in a signing
 * context of its own. It is `PbftCore` as it is, views and all, with a log of one entry that nobody stores:
 * its safety record and slot records are kept in the abort record, its one decision is the switch
 * certificate.
 */
import { decodeCertificate } from '../bft/certificate.js'
import type { SignatureCheck } from '../bft/checks.js'
import { PbftCore } from '../bft/pbft/index.js'
import type { PbftMessage } from '../bft/pbft/messages.js'
import type { Effect, Input, Now, PendingRecord } from '../core.js'
import { type Entry, GENESIS_CHAIN } from '../entry.js'
import type { Epoch, LogIndex, Millis, NodeId, Term } from '../types.js'
import type { HybridModules, HybridOptions } from './config.js'
import type { Proposal } from './leaving.js'
import {
  type EndingEpoch,
  HAND_OVER_ORIGIN,
  handOverChecks,
  handOverConfigHash,
  nextEpoch,
  type SwitchCertificate,
} from './switch-certificate.js'

export interface StoredHandOver {
  readonly safety: Uint8Array | null
  readonly slots: readonly Uint8Array[]
}

/** What the instance goes on with. */
interface HandOverStart extends StoredHandOver {
  /** False for a node that may have forgotten what it signed: it is silent. */
  readonly mayVote: boolean
}

/** PBFT keeps four types of messages of a slot. */
const SLOTS_OF_TYPE_MAX = 64

const NOWHERE = {
  index: 0 as LogIndex,
  epoch: 0 as Epoch,
  term: 0 as Term,
  chain: GENESIS_CHAIN,
  timestampMs: 0,
  membership: null,
}

export class HandOverInstance {
  readonly #ending: EndingEpoch
  readonly #core: PbftCore
  /** What this node would propose: a hand-over whose result it holds. */
  proposal: Proposal | null = null
  #safety: Uint8Array | null
  readonly #slots: Uint8Array[]

  constructor(
    ending: EndingEpoch,
    options: HybridOptions,
    modules: HybridModules,
    stored: HandOverStart,
    distrusts: (id: NodeId) => boolean,
    now: Now,
  ) {
    this.#ending = ending
    this.#safety = stored.safety
    this.#slots = [...stored.slots]
    const { sha256, sign, random } = modules
    const instance = this
    const pending: PendingRecord[] = stored.slots.map((payload) => ({ kind: 'slot', index: 1 as LogIndex, payload }))
    const restored = {
      hardState: { epoch: nextEpoch(ending), term: 0 as Term, votedFor: null },
      base: NOWHERE,
      lastIndex: 0 as LogIndex,
      termRuns: [],
      memberships: [],
      snapshot: null,
      tail: [],
      commitIndex: 0 as LogIndex,
      mayVote: stored.mayVote,
      safety: stored.safety,
      pending,
      aborts: [],
    }
    this.#core = new PbftCore(
      {
        self: options.self,
        clusterId: options.clusterId,
        clusterConfigHash: handOverConfigHash(ending),
        epoch: nextEpoch(ending),
        origin: HAND_OVER_ORIGIN,
        membership: ending.membership,
        handOver: {
          get proof() {
            return instance.proposal?.proof ?? null
          },
          validate: (_record, proof) => handOverChecks(ending, proof),
        },
        distrusts,
        settings: options.pbftSettings,
        limits: options.pbftLimits,
      },
      { sha256, sign, random, restored, now, mayChangeMembers: () => false },
    )
  }

  get stored(): StoredHandOver {
    return { safety: this.#safety, slots: this.#slots }
  }

  configHash(): Uint8Array {
    return this.#core.configHash()
  }

  deadline(): Millis | undefined {
    return this.#core.deadline()
  }

  interest(from: NodeId, message: PbftMessage): 'verify' | 'keep' | 'drop' {
    return this.#core.interest(from, message)
  }

  checks(from: NodeId, message: PbftMessage): readonly SignatureCheck[] | null {
    return this.#core.checks(from, message)
  }

  /** Steps the instance; what it stores is noted. */
  step(input: Input, now: Now): Effect[] {
    const effects = this.#core.step(input, now)
    for (const effect of effects) {
      if (effect.type !== 'store') continue
      for (const record of effect.records) {
        if (record.kind === 'safety') this.#safety = record.safety
        else if (record.kind === 'slot') this.#keep(record.payload)
      }
    }
    return effects
  }

  /** Of each type of message the newest: what views that failed long ago left is below what is signed now. */
  #keep(payload: Uint8Array): void {
    this.#slots.push(payload)
    const alike = this.#slots.filter(([type]) => type === payload[0])
    if (alike.length > SLOTS_OF_TYPE_MAX) this.#slots.splice(this.#slots.indexOf(alike[0] as Uint8Array), 1)
  }

  /** The decision, once there is one. */
  decision(): SwitchCertificate | null {
    const entry: Entry | undefined = this.#core.entry(1 as LogIndex)
    if (entry === undefined || entry.certificate === null) return null
    const { body, timestampMs } = entry
    return { epoch: this.#ending.raft.epoch, body, timestampMs, certificate: decodeCertificate(entry.certificate) }
  }
}
