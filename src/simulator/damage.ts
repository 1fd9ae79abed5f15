/**
 * Damage of disks that Raft can bear: never more than a minority of the members at a time has lost
 * something that it acknowledged, and never in a way that no checksum can show. What is damaged is known
 * here for certain, so a node that does not notice is found out.
 */
import { hasCode } from '../base/error.js'
import type { SimulatedCluster } from './cluster.js'
import { LOG_DIRECTORY, type SimulatedNode } from './node.js'
import type { SeededRandom } from './random.js'
import { InvariantViolation } from './violation.js'

/** Synced appends behind a misdirected one, after which no scan can take the hole for a torn tail. */
const APPENDS_TO_COVER = 2

export class Damage {
  readonly #cluster: SimulatedCluster
  /** Nodes with a misdirected write that nothing certain follows yet, and the appends still to come. */
  readonly #uncovered = new Map<SimulatedNode, number>()
  readonly counts = { bitRot: 0, misdirectedWrite: 0, wipe: 0 }

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  /** One more member may lose something. */
  isBearable(victim: SimulatedNode): boolean {
    const { nodes } = this.#cluster
    const hurt = nodes.filter((node) => node !== victim && isHurt(node)).length
    return hurt + 1 <= Math.floor((nodes.length - 1) / 2)
  }

  /** Turns a bit of the log of a node that is down. False where nothing can be turned so that it must show. */
  async rot(node: SimulatedNode, random: SeededRandom): Promise<boolean> {
    // Older segments may be leftovers of a compaction, which nobody reads again.
    const newest = (await node.files.readdir(LOG_DIRECTORY)).filter((name) => !name.endsWith('.tmp')).at(-1)
    const path = `${LOG_DIRECTORY}/${newest}`
    const bytes = newest === undefined ? 0 : node.watchedFiles.certainBytes(path)
    if (bytes === 0 || !node.isDown) return false
    this.#hurt(node)
    node.files.flipBit(path, random.between(0, bytes - 1), random.between(0, 7))
    this.counts.bitRot++
    return true
  }

  /** The next append of a running node lands before its place. */
  misdirect(node: SimulatedNode, random: SeededRandom): void {
    node.disk.misdirectNext(random.between(1, 64), () => {
      // Another disk may have been damaged since.
      if (node.isDamaged || !this.isBearable(node)) return false
      this.#hurt(node)
      this.counts.misdirectedWrite++
      this.#uncovered.set(node, APPENDS_TO_COVER)
      return true
    })
  }

  /** The disk of a node that is down is replaced by an empty one. */
  async wipe(node: SimulatedNode): Promise<void> {
    this.#uncovered.delete(node)
    this.counts.wipe++
    await node.wipe()
  }

  /** A sync of this node's log came back. True once: when the damage is certain to show at a restart. */
  synced(node: SimulatedNode): boolean {
    const left = this.#uncovered.get(node)
    if (left === undefined) return false
    this.#uncovered.set(node, left - 1)
    if (left > 1) return false
    this.#uncovered.delete(node)
    return true
  }

  /** A damaged node that was started again, and votes again, has got back from others what it had lost. */
  noteRepair(node: SimulatedNode): void {
    if (!node.isDamaged || node.isWiped || !node.knowsDamage || node.running === null) return
    if (!node.running.core.status().mayVote) return
    node.isDamaged = false
    node.knowsDamage = false
  }

  /** The damage of this node could pass for a torn tail: it must not come back. */
  isUncovered(node: SimulatedNode): boolean {
    return this.#uncovered.has(node)
  }

  /** Whether this error is what damage has to end in. Throws `InvariantViolation` where a wiped node runs. */
  excuses(node: SimulatedNode, error: unknown): boolean {
    if (node.isWiped) return hasCode(error, 'DataDirectoryLost')
    return node.isDamaged && (hasCode(error, 'Corrupt') || hasCode(error, 'StorageFailed'))
  }

  /** A node whose disk was emptied takes part in nothing. */
  expectWipedAreOut(): void {
    for (const node of this.#cluster.nodes) {
      if (node.isWiped && node.running !== null)
        throw new InvariantViolation('wipedIsRefused', `${node.id} runs with an empty disk under its old name`)
    }
  }

  #hurt(node: SimulatedNode): void {
    node.isDamaged = true
    node.durable.damaged()
  }
}

/** Lost something and is not whole again. */
function isHurt(node: SimulatedNode): boolean {
  return node.isWiped || node.isDamaged
}
