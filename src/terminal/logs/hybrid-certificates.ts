/**
 * The log of a hybrid cluster, checked epoch by epoch: the links that the node kept beside its log lead from
 * the members in the cluster file to those of every epoch, and say where each epoch ended. Entries of a
 * Byzantine epoch carry their certificates. Those of a Raft epoch are proven by the one certificate that
 * ended it, through the hash chain; in the epoch that goes on, by what its terms begin with and by what the
 * clients signed.
 */
import { bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { SignatureCheck } from '../../consensus/bft/checks.js'
import { bodyChecks } from '../../consensus/bft/client-request.js'
import { entryProof, headerProblem } from '../../consensus/bft/entry-proof.js'
import type { EpochContext } from '../../consensus/bft/epoch.js'
import type { ClusterConfiguration } from '../../consensus/configuration.js'
import type { Entry } from '../../consensus/entry.js'
import { orderCheck } from '../../consensus/hybrid/change-order.js'
import {
  contextOf,
  type EpochLink,
  endingEpochOf,
  epochEndedBy,
  type LinkedEpoch,
  type LinkRules,
  walkLinks,
} from '../../consensus/hybrid/epoch-links.js'
import { termIn } from '../../consensus/hybrid/hardened/append-rules.js'
import { checksOfCertificate, type RaftEpoch, termOf, termProblem } from '../../consensus/hybrid/positions.js'
import { sha256 } from '../../crypto/sha256.js'
import { firstOf } from '../../workflow/receipts/epochs.js'

export interface HybridRules {
  readonly configuration: ClusterConfiguration
  readonly clusterConfigHash: Uint8Array
  readonly holds: (check: SignatureCheck) => boolean
}

/** Walks the entries of one log in index order. */
export class HybridCertificates {
  readonly #rules: HybridRules
  readonly #links: LinkRules
  /** The index is the epoch. */
  readonly #epochs: readonly LinkedEpoch[]
  /** What is wrong with the links; null when nothing is. */
  readonly #broken: string | null
  #before: Entry | null = null

  constructor(rules: HybridRules, links: readonly EpochLink[]) {
    const { configuration, clusterConfigHash, holds } = rules
    const { clusterId, settings } = configuration
    this.#rules = rules
    this.#links = { sha256, clusterId, clusterConfigHash, settings }
    const walk = walked(this.#links, configuration, links)
    const isProven = typeof walk !== 'string' && walk.checks.every(holds)
    this.#epochs = isProven ? walk.epochs : []
    const unproven = typeof walk === 'string' ? walk : 'a signature under the end of an epoch does not hold'
    this.#broken = isProven ? null : unproven
  }

  /** The epoch of the last entry; null before the first, and where nothing shows how it began. */
  get context(): EpochContext | null {
    const epoch = this.#before === null ? undefined : this.#epochs[this.#before.epoch]
    return epoch === undefined ? null : contextOf(this.#links, epoch)
  }

  /** Of that epoch; null for Raft. */
  get protocol(): 'pbft' | 'hotstuff' | null {
    const mode = this.#before === null ? undefined : this.#epochs[this.#before.epoch]?.mode
    return mode === undefined || mode === 'raft' ? null : mode
  }

  /** What an epoch of Raft is judged by; null for another protocol, and where nothing shows how it began. */
  raftEpoch(epoch: number): RaftEpoch | null {
    const known = this.#epochs[epoch]
    return known?.mode === 'raft' ? endingEpochOf(this.#links, known).raft : null
  }

  /** Passes over an entry that nobody asks about. */
  skip(entry: Entry): void {
    this.#before = entry
  }

  /** What is wrong; null when the entry is proven as far as entries of its epoch can be. */
  problem(entry: Entry): string | null {
    try {
      return this.#problem(entry)
    } catch (error) {
      if (error instanceof KnhkError) return error.message
      throw error
    } finally {
      this.#before = entry
    }
  }

  #problem(entry: Entry): string | null {
    if (this.#broken !== null) return this.#broken
    const epoch = this.#epochs[entry.epoch]
    if (epoch === undefined) return `nothing shows how epoch ${entry.epoch} began`
    const next = this.#epochs[entry.epoch + 1]
    if (entry.index <= epoch.origin.index || (next !== undefined && entry.index > next.origin.index))
      return 'the entry does not stand in its epoch'
    if (next !== undefined && entry.index === next.origin.index && !bytesEqual(entry.chain, next.origin.chain))
      return 'its epoch ended with another entry'
    const checks =
      epoch.mode === 'raft' ? this.#raftChecks(epoch, entry) : this.#byzantineChecks(epoch, epoch.mode, entry)
    if (typeof checks === 'string') return checks
    return checks.every(this.#rules.holds) ? null : 'a signature does not hold'
  }

  #byzantineChecks(
    epoch: LinkedEpoch,
    protocol: 'pbft' | 'hotstuff',
    entry: Entry,
  ): readonly SignatureCheck[] | string {
    const { settings } = this.#rules.configuration
    const context = contextOf(this.#links, epoch)
    return headerProblem(sha256, entry) ?? entryProof(sha256, { protocol, settings }, context, entry)
  }

  #raftChecks(epoch: LinkedEpoch, entry: Entry): readonly SignatureCheck[] | string {
    const { raft, configuredAt } = endingEpochOf(this.#links, epoch)
    if (entry.certificate !== null) return 'an entry of a Raft epoch carries no certificate'
    if (!bytesEqual(entry.configHash, raft.sign.configHash)) return 'the entry names another configuration'
    const before = this.#before
    const isFollowing = before !== null && before.index === entry.index - 1 && before.epoch === entry.epoch
    if (entry.kind === 'mode') {
      const term = termIn(entry)
      if (term === null || termOf(term) !== entry.term) return 'a term begins without its certificate'
      if (term.tip.index !== entry.index - 1 || !bytesEqual(term.tip.hash, entry.previousChain))
        return 'a term does not begin where its certificate says'
      return termProblem(raft, term) ?? checksOfCertificate(raft, term.certificate)
    }
    if (entry.index === epoch.origin.index + 1 || (isFollowing && before.term !== entry.term))
      return 'a term begins without its certificate'
    if (entry.kind === 'membership') return [orderCheck(raft, configuredAt, entry.body)]
    if (entry.kind !== 'data') return 'no such entry stands in a Raft epoch'
    return bodyChecks(sha256, raft.sign.clusterId, entry.body) ?? 'a request carries no signature of its client'
  }
}

/** Links of epochs from 0 on, as far as they go without a gap. A text says what is wrong. */
function walked(
  links: LinkRules,
  configuration: ClusterConfiguration,
  known: readonly EpochLink[],
): ReturnType<typeof walkLinks> {
  const path: EpochLink[] = []
  for (const link of [...known].sort((a, b) => epochEndedBy(a) - epochEndedBy(b))) {
    if (epochEndedBy(link) === path.length) path.push(link)
  }
  try {
    return walkLinks(links, firstOf(configuration), path)
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return error.message
    throw error
  }
}
