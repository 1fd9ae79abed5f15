/**
 * What must hold of every entry that an honest member takes for decided: it carries a certificate that
 * anybody can check, nothing in it was ordered that no client signed, it follows the entry before, and where
 * that changed the members it belongs to the next epoch.
 */
import { bytesEqual, toHex } from '../../base/bytes.js'
import { changeCheck } from '../../consensus/bft/change-authority.js'
import type { SignatureCheck } from '../../consensus/bft/checks.js'
import { bodyChecks } from '../../consensus/bft/client-request.js'
import { EpochContext } from '../../consensus/bft/epoch.js'
import { verifyHotStuffEntryCertificate } from '../../consensus/bft/hotstuff/index.js'
import { verifyPbftEntryCertificate } from '../../consensus/bft/pbft/index.js'
import { SIGNATURE_BYTES } from '../../consensus/bft/statement.js'
import type { Core } from '../../consensus/core.js'
import { type Entry, GENESIS_CHAIN, type Sha256 } from '../../consensus/entry.js'
import type { LogIndex, Mode } from '../../consensus/types.js'
import type { SignatureScheme } from '../signatures.js'
import { InvariantViolation } from '../violation.js'

export interface EntryRulesOptions {
  readonly sha256: Sha256
  readonly signatures: Pick<SignatureScheme, 'holds'>
  /** The protocol of an epoch: Raft's entries carry no certificate of their own. */
  readonly modeOf: (epoch: number) => Mode
  readonly clusterId: Uint8Array
  /** Of the cluster, 32 bytes. */
  readonly clusterConfigHash: Uint8Array
  /** The committed entry at an index. */
  readonly entryAt: (index: number) => Entry | undefined
  /** Of the one client, who may change the members. */
  readonly clientKey: Uint8Array
}

export class EntryRules {
  readonly #options: EntryRulesOptions
  readonly #contexts = new Map<number, EpochContext>()
  /** Signatures of all requests that clients made. */
  readonly #issued = new Set<string>()
  /** Certificates that were found sound, by the header of their entry: most members hold the same one. */
  readonly #proven = new Map<string, Uint8Array[]>()

  constructor(options: EntryRulesOptions) {
    this.#options = options
  }

  /** A client signed a request: from now on it may be ordered. */
  issued(request: Uint8Array): void {
    this.#issued.add(toHex(request.subarray(request.length - SIGNATURE_BYTES)))
  }

  /** An epoch, once an entry of it is committed. */
  epochOf(epoch: number): EpochContext | null {
    return this.#contexts.get(epoch) ?? null
  }

  /** An entry is committed on an honest node; `known` is the same one as another node had it. Throws `InvariantViolation`. */
  committed(node: string, core: Core, entry: Entry, known: Entry | undefined): void {
    const where = `${node} committed entry ${entry.index}`
    if (!this.#isProven(entry)) {
      const problem = this.#certificateProblem(this.#contextOf(core, entry), entry)
      if (problem !== null) throw new InvariantViolation('committedIsCertified', `${where}: ${problem}`)
      this.#noteProven(entry)
    }
    const isKnown = known !== undefined && bytesEqual(known.body, entry.body)
    if (entry.kind === 'data' && !isKnown) this.#expectSigned(where, entry)
    if (entry.kind === 'membership' && !isKnown) this.#expectOrdered(where, core, entry)
    const previous = this.#options.entryAt(entry.index - 1)
    const before = entry.index === 1 ? GENESIS_CHAIN : previous?.chain
    if (before !== undefined && !bytesEqual(before, entry.previousChain))
      throw new InvariantViolation('agreement', `${where}, which follows another past`)
    if (previous?.kind === 'membership' && previous.epoch === entry.epoch)
      throw new InvariantViolation('changeEndsEpoch', `${where} in epoch ${entry.epoch}, which the one before ended`)
  }

  /** The same proof of the same entry was found sound before. */
  #isProven({ header, certificate }: Entry): boolean {
    if (certificate === null) return false
    const proven = this.#proven.get(toHex(header)) ?? []
    return proven.some((known) => bytesEqual(known, certificate))
  }

  #noteProven({ header, certificate }: Entry): void {
    if (certificate === null) return
    const key = toHex(header)
    this.#proven.set(key, [...(this.#proven.get(key) ?? []), certificate])
  }

  #certificateProblem(context: EpochContext, entry: Entry): string | null {
    const { sha256, modeOf } = this.#options
    const mode = modeOf(entry.epoch)
    if (mode === 'raft') return entry.certificate === null ? null : 'it has a certificate that Raft does not give'
    if (entry.certificate === null) return 'it has no certificate'
    if (mode === 'hotstuff') {
      const { sign, replicas } = context
      try {
        const checks = verifyHotStuffEntryCertificate({ sha256, context: sign, replicas, commitRule: 3 }, entry)
        return this.#all(checks)
      } catch (error) {
        return error instanceof Error ? error.message : String(error)
      }
    }
    const verdict = verifyPbftEntryCertificate(sha256, context, entry, entry.certificate)
    return verdict.problem ?? this.#all(verdict.checks)
  }

  #all(checks: readonly SignatureCheck[]): string | null {
    return checks.every(this.#options.signatures.holds) ? null : 'a signature does not hold'
  }

  /** Validity: every request was signed by a client of this simulation. */
  #expectSigned(where: string, { body }: Entry): void {
    const { sha256, clusterId, signatures } = this.#options
    const checks = bodyChecks(sha256, clusterId, body)
    const isSound = checks?.every((check) => this.#issued.has(toHex(check.signature)) && signatures.holds(check))
    if (isSound !== true) throw new InvariantViolation('validity', `${where}, which holds what no client signed`)
  }

  /** The client ordered this change, in this epoch, against the members in force in it. */
  #expectOrdered(where: string, core: Core, { index, epoch, body }: Entry): void {
    const { sha256, clusterId, signatures, clientKey } = this.#options
    const { index: planned } = core.membershipAt((index - 1) as LogIndex)
    const check = changeCheck(sha256, { clusterId, epoch, planned }, body)
    if (!bytesEqual(check.publicKey, clientKey) || !signatures.holds(check))
      throw new InvariantViolation('validity', `${where}, a change of members that no client ordered`)
  }

  #contextOf(core: Core, entry: Entry): EpochContext {
    const known = this.#contexts.get(entry.epoch)
    if (known !== undefined) return known
    const { sha256, clusterId, clusterConfigHash, entryAt } = this.#options
    const before = entryAt(entry.index - 1)
    const origin = before ?? { index: (entry.index - 1) as LogIndex, chain: entry.previousChain, timestampMs: 0 }
    const record = core.membershipAt((entry.index - 1) as LogIndex)
    const context = new EpochContext({ sha256, clusterId, clusterConfigHash }, entry.epoch, origin, record)
    this.#contexts.set(entry.epoch, context)
    return context
  }
}
