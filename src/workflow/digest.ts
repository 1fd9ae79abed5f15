/**
 * Digests of the replicated state whose cost follows what changed: a Merkle tree over 65,536 hash
 * buckets (Merkle 1987; buckets by key hash as in Cassandra's and Dynamo's anti-entropy trees), which
 * also names the buckets in which two nodes differ.
 *
 * leaf = H(0x00 | u32 key length | key | value); a bucket is the list, in order of key hash, of
 * (first 24 bytes of H(key), leaf), its hash H(0x02 | list), 32 zero bytes for an empty one;
 * node = H(0x01 | 16 children), four levels. Data spaces and system spaces have a tree each:
 * dataDigest = H(0x03 | data root), stateDigest = H(0x04 | data root | system root).
 */
import { assert } from '../base/assert.js'
import { writeU32 } from '../base/bytes.js'
import type { Sha256 } from '../consensus/entry.js'
import { DigestBucket } from './digest-bucket.js'
import { classOfKey } from './state-keys.js'

const HASH = 32
const FANOUT = 16
const BUCKETS = 65_536
const LEVELS = 4

export interface StateDigests {
  /** Over everything replicated; equal on all nodes at one index. */
  readonly stateDigest: Uint8Array
  /** Over cases and key-value pairs; survives a restore into another cluster. */
  readonly dataDigest: Uint8Array
}

export class DigestTree {
  readonly #sha256: Sha256
  readonly #data: BucketTree
  readonly #system: BucketTree
  #scratch = new Uint8Array(4_096)

  constructor(sha256: Sha256) {
    this.#sha256 = sha256
    this.#data = new BucketTree(sha256)
    this.#system = new BucketTree(sha256)
  }

  /** Takes the new value of a key, null where it is gone. Keys of derived spaces are left out. */
  update(key: string, value: Uint8Array | null): void {
    const space = classOfKey(key)
    if (space === 'derived') return
    const tree = space === 'data' ? this.#data : this.#system
    const keyEnd = 5 + key.length
    const length = keyEnd + (value?.length ?? 0)
    if (length > this.#scratch.length) this.#scratch = new Uint8Array(length * 2)
    const scratch = this.#scratch
    scratch[0] = 0x00
    writeU32(scratch, 1, key.length)
    for (let i = 0; i < key.length; i++) scratch[5 + i] = key.charCodeAt(i)
    const keyHash = this.#sha256(scratch.subarray(5, keyEnd))
    if (value === null) {
      tree.remove(keyHash)
      return
    }
    scratch.set(value, keyEnd)
    tree.put(keyHash, this.#sha256(scratch.subarray(0, length)))
  }

  /** Hashes at most `maxBuckets` changed buckets and nodes; true when nothing is left to do. */
  settle(maxBuckets: number): boolean {
    const left = this.#data.settle(maxBuckets)
    return left > 0 && this.#system.settle(left) > 0
  }

  /** Only after `settle` returned true. */
  digests(): StateDigests {
    const data = this.#data.root()
    const of = new Uint8Array(1 + HASH)
    of[0] = 0x03
    of.set(data, 1)
    const both = new Uint8Array(1 + 2 * HASH)
    both[0] = 0x04
    both.set(data, 1)
    both.set(this.#system.root(), 1 + HASH)
    return { dataDigest: this.#sha256(of), stateDigest: this.#sha256(both) }
  }
}

/** One level's hashes, side by side, and which of them are to be computed again. */
class Level {
  readonly hashes: Uint8Array
  readonly #isDirty: Uint8Array
  readonly dirty: number[] = []

  constructor(size: number) {
    this.hashes = new Uint8Array(size * HASH)
    this.#isDirty = new Uint8Array(size)
  }

  mark(index: number): void {
    if (this.#isDirty[index] === 1) return
    this.#isDirty[index] = 1
    this.dirty.push(index)
  }

  take(): number | undefined {
    const index = this.dirty.pop()
    if (index !== undefined) this.#isDirty[index] = 0
    return index
  }
}

class BucketTree {
  readonly #sha256: Sha256
  readonly #buckets: (DigestBucket | undefined)[] = new Array<DigestBucket | undefined>(BUCKETS).fill(undefined)
  readonly #leaves = new Level(BUCKETS)
  /** From the parents of the buckets up to the root. */
  readonly #nodes: Level[] = []
  readonly #nodeScratch = new Uint8Array(1 + FANOUT * HASH)

  constructor(sha256: Sha256) {
    this.#sha256 = sha256
    this.#nodeScratch[0] = 0x01
    for (let level = 1; level <= LEVELS; level++) {
      const size = BUCKETS / FANOUT ** level
      const nodes = new Level(size)
      // The nodes of an empty tree are all alike: one hash per level.
      const below = this.#nodes.at(-1) ?? this.#leaves
      const hash = this.#hashNode(below, 0)
      for (let node = 0; node < size; node++) nodes.hashes.set(hash, node * HASH)
      this.#nodes.push(nodes)
    }
  }

  put(keyHash: Uint8Array, leaf: Uint8Array): void {
    const number = bucketOf(keyHash)
    let bucket = this.#buckets[number]
    if (bucket === undefined) {
      bucket = new DigestBucket()
      this.#buckets[number] = bucket
    }
    if (bucket.put(keyHash, leaf)) this.#leaves.mark(number)
  }

  remove(keyHash: Uint8Array): void {
    const number = bucketOf(keyHash)
    if (this.#buckets[number]?.remove(keyHash) === true) this.#leaves.mark(number)
  }

  /** Returns what is left of `budget`; 0 means that there may be more to do. */
  settle(budget: number): number {
    let left = budget
    for (; left > 0; left--) {
      const number = this.#leaves.take()
      if (number === undefined) break
      const hash = this.#buckets[number]?.hash(this.#sha256)
      if (hash === undefined) {
        this.#buckets[number] = undefined
        this.#leaves.hashes.fill(0, number * HASH, (number + 1) * HASH)
      } else this.#leaves.hashes.set(hash, number * HASH)
      this.#nodes[0]?.mark(Math.floor(number / FANOUT))
    }
    for (let level = 0; level < LEVELS && left > 0; level++) left = this.#settleNodes(level, left)
    return left
  }

  root(): Uint8Array {
    const top = this.#nodes[LEVELS - 1]
    assert(top !== undefined && this.#leaves.dirty.length === 0, 'the tree is settled')
    assert(
      this.#nodes.every((level) => level.dirty.length === 0),
      'every level of the tree is settled',
    )
    return top.hashes
  }

  #settleNodes(level: number, budget: number): number {
    const nodes = this.#nodes[level] as Level
    const below = level === 0 ? this.#leaves : (this.#nodes[level - 1] as Level)
    let left = budget
    for (; left > 0; left--) {
      const node = nodes.take()
      if (node === undefined) break
      nodes.hashes.set(this.#hashNode(below, node), node * HASH)
      this.#nodes[level + 1]?.mark(Math.floor(node / FANOUT))
    }
    return left
  }

  #hashNode(below: Level, node: number): Uint8Array {
    const first = node * FANOUT * HASH
    this.#nodeScratch.set(below.hashes.subarray(first, first + FANOUT * HASH), 1)
    return this.#sha256(this.#nodeScratch)
  }
}

function bucketOf(keyHash: Uint8Array): number {
  return ((keyHash[0] as number) << 8) | (keyHash[1] as number)
}
