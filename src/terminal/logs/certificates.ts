/**
 * The certificates of a log, checked with what the cluster file says: who the members are and which
 * protocol they run. An epoch's members are those of the configuration with which it began, in the log
 * or, at the beginning, in the cluster file; its place in the log is behind the last entry of the epoch
 * before, or, where that was compacted away, where its first certificate says.
 */
import { KnhkError } from '../../base/error.js'
import { decodeCertificate } from '../../consensus/bft/certificate.js'
import type { SignatureCheck } from '../../consensus/bft/checks.js'
import { entryProof, hasCertificates } from '../../consensus/bft/entry-proof.js'
import { EpochContext, type Origin } from '../../consensus/bft/epoch.js'
import type { ClusterConfiguration } from '../../consensus/configuration.js'
import { type Entry, GENESIS_CHAIN } from '../../consensus/entry.js'
import type { EpochLink } from '../../consensus/hybrid/epoch-links.js'
import { genesisMembership, type Membership } from '../../consensus/membership.js'
import { logIndex } from '../../consensus/types.js'
import { sha256 } from '../../crypto/sha256.js'
import { Verifier } from '../../crypto/verifier.js'
import { configurationHash } from '../../node/compose.js'
import type { CertificateVerifier } from '../../storage/log-certificates.js'
import { HybridCertificates } from './hybrid-certificates.js'

export interface CertificateRules {
  /** How the epochs of a hybrid cluster led to each other, as far as a node keeps that beside its log. */
  readonly links?: readonly EpochLink[]
  /** Of the cluster's configuration, 32 bytes; by default that of a cluster without operations of its own. */
  readonly clusterConfigHash?: Uint8Array
  /** Whether a signature holds; the pinned Ed25519 rule by default. */
  readonly holds?: (check: SignatureCheck) => boolean
}

/**
 * Null where entries of this cluster need no certificate. The function takes the entries of one log in
 * index order.
 */
export function certificateVerifier(
  configuration: ClusterConfiguration,
  rules: CertificateRules = {},
): CertificateVerifier | null {
  if (configuration.protocol === 'hybrid' && rules.links !== undefined) {
    const { clusterConfigHash = configurationHash(sha256, configuration), holds = pinnedRule(), links } = rules
    const walk = new HybridCertificates({ configuration, clusterConfigHash, holds }, links)
    return (entry) => walk.problem(entry)
  }
  if (!hasCertificates(configuration)) return null
  const walk = new EntryCertificates(configuration, configuration.protocol, rules)
  return (entry, membership) => walk.problem(entry, membership)
}

/** Walks the entries of one log in index order. */
export class EntryCertificates {
  readonly #configuration: ClusterConfiguration
  readonly #protocol: 'pbft' | 'hotstuff'
  readonly #clusterConfigHash: Uint8Array
  readonly #holds: (check: SignatureCheck) => boolean
  #context: EpochContext | null = null
  #before: Entry | null = null

  constructor(configuration: ClusterConfiguration, protocol: 'pbft' | 'hotstuff', rules: CertificateRules) {
    this.#configuration = configuration
    this.#protocol = protocol
    this.#clusterConfigHash = rules.clusterConfigHash ?? configurationHash(sha256, configuration)
    this.#holds = rules.holds ?? pinnedRule()
  }

  get protocol(): 'pbft' | 'hotstuff' {
    return this.#protocol
  }

  /** The epoch of the last entry; null before the first. */
  get context(): EpochContext | null {
    return this.#context
  }

  /** There is none in a cluster of one Byzantine protocol. */
  raftEpoch(): null {
    return null
  }

  /** Passes over an entry whose signatures nobody asks about. Throws `ProtocolViolation`. */
  skip(entry: Entry, membership: Membership | null): void {
    if (entry.certificate !== null) this.#contextOf(entry, entry.certificate, membership)
    this.#before = entry
  }

  /** What is wrong; null when the entry is proven. */
  problem(entry: Entry, membership: Membership | null): string | null {
    const problem = this.#problem(entry, membership)
    this.#before = entry
    return problem
  }

  #problem(entry: Entry, membership: Membership | null): string | null {
    if (entry.certificate === null) return 'the entry has no certificate'
    try {
      const context = this.#contextOf(entry, entry.certificate, membership)
      const rules = { protocol: this.#protocol, settings: this.#configuration.settings }
      const checks = entryProof(sha256, rules, context, entry)
      if (typeof checks === 'string') return checks
      return checks.every(this.#holds) ? null : 'a signature does not hold'
    } catch (error) {
      if (error instanceof KnhkError) return error.message
      throw error
    }
  }

  #contextOf(entry: Entry, certificate: Uint8Array, membership: Membership | null): EpochContext {
    if (this.#context?.epoch === entry.epoch) return this.#context
    const { clusterId } = this.#configuration
    const ports = { sha256, clusterId, clusterConfigHash: this.#clusterConfigHash }
    const origin = this.#originOf(entry, certificate)
    const record = { index: origin.index, membership: membership ?? genesisMembership(this.#configuration) }
    this.#context = new EpochContext(ports, entry.epoch, origin, record)
    return this.#context
  }

  #originOf(entry: Entry, certificate: Uint8Array): Origin {
    const before = this.#before
    if (entry.index === 1) return { index: logIndex(0), chain: GENESIS_CHAIN, timestampMs: 0 }
    if (before !== null && before.index === entry.index - 1) return before
    // Only PBFT counts its slots from there. The signed sequence says where; all later ones must agree.
    const sequence = this.#protocol === 'pbft' ? decodeCertificate(certificate).statement.sequence : 0
    if (sequence >= entry.index) throw new KnhkError('ProtocolViolation', 'the certificate is for another slot')
    return { index: logIndex(entry.index - 1 - sequence), chain: entry.previousChain, timestampMs: entry.timestampMs }
  }
}

/** The pinned Ed25519 rule, for tools that check on their own thread. */
export function pinnedRule(): (check: SignatureCheck) => boolean {
  const verifier = new Verifier()
  return ({ publicKey, bytes, signature }) => verifier.verify(publicKey, bytes, signature)
}
