/**
 * Damage of disks that Raft can bear: never more than a minority of the members at a time has lost
 * something that it acknowledged, and never in a way that no checksum can show. What is damaged is known
 * here for certain, so a node that does not notice is found out.
 */
import { hasCode } from '../base/error.js'
import { spanZones } from '../consensus/membership.js'
import type { NodeId } from '../consensus/types.js'
import type { SimulatedCluster } from './cluster.js'
import { LOG_DIRECTORY, type SimulatedNode } from './node.js'
import type { SeededRandom } from './random.js'
import { InvariantViolation } from './violation.js'

/** Synced appends behind a misdirected one, after which no scan can take the hole for a torn tail. */
const APPENDS_TO_COVER = 2
/** Keys that clients write once and never read. */
export const UNREAD_KEYS = 'unread-'

export class Damage {
  readonly #cluster: SimulatedCluster
  /** Nodes with a misdirected write that nothing certain follows yet, and the appends still to come. */
  readonly #uncovered = new Map<SimulatedNode, number>()
  readonly counts = { bitRot: 0, misdirectedWrite: 0, wipe: 0, lostWrite: 0 }
  /** Whether these nodes are a quorum of every configuration that may be in force. */
  isQuorum: (nodes: readonly NodeId[]) => boolean = () => false

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  /** One more member may lose something; where two zones have to hold what is committed, two are left whole. */
  isBearable(victim: SimulatedNode): boolean {
    const { nodes, bearable, configuration } = this.#cluster
    const hurt = nodes.filter((node) => node === victim || isHurt(node))
    if (hurt.length > bearable) return false
    if (configuration.settings.commitZones === null) return true
    return spanZones(configuration.genesis.filter(({ id }) => !hurt.some((node) => node.id === id)))
  }

  /** Turns a bit of the log of a node that is down. False where nothing can be turned so that it must show. */
  async rot(node: SimulatedNode, random: SeededRandom): Promise<boolean> {
    // Older segments may be leftovers of a compaction, which nobody reads again.
    const newest = (await node.files.readdir(LOG_DIRECTORY)).filter((name) => !name.endsWith('.tmp')).at(-1)
    const path = `${LOG_DIRECTORY}/${newest}`
    const bytes = newest === undefined ? 0 : node.watchedFiles.certainBytes(path)
    if (bytes === 0 || !node.isDown) return false
    this.#hurt(node, path)
    node.files.flipBit(path, random.between(0, bytes - 1), random.between(0, 7))
    this.counts.bitRot++
    return true
  }

  /** The next append of a running node lands before its place. */
  misdirect(node: SimulatedNode, random: SeededRandom): void {
    node.disk.misdirectNext(random.between(1, 64), (path) => {
      // The process may have ended at this very write, and another disk have been damaged since.
      if (node.isDown || node.isDamaged || !this.isBearable(node)) return false
      this.#hurt(node, path)
      this.counts.misdirectedWrite++
      this.#uncovered.set(node, APPENDS_TO_COVER)
      return true
    })
  }

  /** The disk of a node that is down is replaced by an empty one. */
  async wipe(node: SimulatedNode): Promise<void> {
    this.#uncovered.delete(node)
    this.counts.wipe++
    node.hasLostTail = false
    await node.wipe()
  }

  /** A frame of this node's log was synced. True once: when the damage is certain to show at a restart. */
  synced(node: SimulatedNode): boolean {
    const left = this.#uncovered.get(node)
    if (left === undefined) return false
    this.#uncovered.set(node, left - 1)
    if (left > 1) return false
    this.#uncovered.delete(node)
    return true
  }

  /**
   * A bit turns in the memory of a follower, in a value that nobody reads, as it is applied. Only the
   * digests can show it. Its snapshots reach nobody meanwhile: what a majority was given nobody can tell
   * from the truth.
   */
  rotState(node: SimulatedNode): void {
    node.rotsPut = (key) => {
      const status = node.running?.core.status()
      if (!key.includes(UNREAD_KEYS) || status === undefined || status.role === 'leader') return false
      node.rotsPut = null
      if (node.astraySince !== null || node.isDamaged || !this.isBearable(node)) return false
      node.astraySince = node.running?.loop.machine.appliedIndex ?? 0
      this.counts.bitRot++
      return true
    }
  }

  /**
   * The newest acknowledged appends of a running node go as if they had never been: its disk has lied about
   * the sync. Only what a majority holds without it, in every configuration that may be in force, and never the
   * configuration that it goes by: with that of before it may be a majority with somebody who was removed and knows as
   * little. No protocol survives more. False where nothing can be taken so.
   */
  loseTail(node: SimulatedNode, random: SeededRandom): boolean {
    const { appends } = node.tail
    const from = appends[random.between(0, appends.length - 1)]
    const membership = node.running?.core.status().membership
    if (from === undefined || membership === undefined || membership.index >= from.first) return false
    if (!this.#isHeldWithout(node, from.first)) return false
    node.crash('process')
    this.#hurt(node, null)
    node.hasLostTail = true
    node.mayContradictItself = this.#cluster.configuration.protocol !== 'raft'
    this.counts.lostWrite++
    node.files.replace(from.path, node.files.content(from.path).subarray(0, from.start))
    return true
  }

  /** A node that votes again, after it was found damaged, has got back from others what it had lost. */
  noteRepair(node: SimulatedNode, committedChain: (index: number) => string | undefined): void {
    // It has found a sound state to begin with.
    if (node.running !== null) node.isRebuilding = false
    if (!node.isDamaged || node.isWiped || node.running === null) return
    const { mayVote, mode } = node.running.core.status()
    // A silent replica is one member less, repaired or not.
    if (!mayVote) node.knowsDamage = true
    else if (node.knowsDamage || node.hasLostTail) {
      const owed = node.durable.owed(committedChain)
      const isWhole = node.durable.last >= owed
      // Nothing showed it the loss yet; or others have yet to execute what it had, and no vote rests on that.
      if (!isWhole && (!node.knowsDamage || mode !== 'raft')) return
      if (!isWhole)
        throw new InvariantViolation(
          'repairedIsWhole',
          `${node.id} votes again with entries up to ${node.durable.last}, and had acknowledged ${owed}`,
        )
      if (node.isMarkingRepair) return
      node.isDamaged = false
      node.knowsDamage = false
      node.hasLostTail = false
      node.remembersLoss = false
      node.saysRepaired = false
    }
  }

  /** The damage of this node could pass for a torn tail: it must not come back. */
  isUncovered(node: SimulatedNode): boolean {
    return this.#uncovered.has(node)
  }

  /** Whether this error is what damage has to end in. Throws `InvariantViolation` where a wiped node runs. */
  excuses(node: SimulatedNode, error: unknown): boolean {
    if (node.isWiped) return hasCode(error, 'DataDirectoryLost')
    if (node.astraySince !== null && hasCode(error, 'Diverged')) {
      node.astraySince = null
      node.isRebuilding = true
      return true
    }
    return node.isDamaged && (hasCode(error, 'Corrupt') || hasCode(error, 'StorageFailed'))
  }

  /** A node whose disk was emptied takes part in nothing. */
  expectWipedAreOut(): void {
    for (const node of this.#cluster.nodes) {
      if (node.isWiped && node.running !== null)
        throw new InvariantViolation('wipedIsRefused', `${node.id} runs with an empty disk under its old name`)
    }
  }

  #isHeldWithout(node: SimulatedNode, from: number): boolean {
    const others = this.#cluster.nodes.filter((other) => other !== node && !other.isDamaged)
    for (let index = from; index <= node.durable.last; index++) {
      const chain = node.durable.chainAt(index)
      if (chain === null) return false
      const holders = others.filter(({ durable }) => durable.hasHeld(index, chain)).map(({ id }) => id)
      if (!this.isQuorum(holders)) return false
    }
    return true
  }

  /** `file` is null where nothing but the end of its log is gone. */
  #hurt(node: SimulatedNode, file: string | null): void {
    node.isDamaged = true
    node.knowsDamage = false
    node.hasLostTail = false
    node.remembersLoss = false
    node.saysRepaired = false
    node.damagedFile = file
    node.damagedIndex = node.durable.last
    node.durable.damaged()
  }
}

/** Lost something and is not whole again, or may contradict what it said, or has to be silent lest it does. */
function isHurt(node: SimulatedNode): boolean {
  const isLost = node.isWiped || node.isDamaged || node.mayBeAstray || node.isRebuilding
  return isLost || node.mayContradictItself || isForgetful(node)
}

/** It has no say at the end of an epoch, though its log is whole. */
export function isForgetful({ running }: SimulatedNode): boolean {
  return running?.core.status().isForgetful === true
}
