/** What tests of the core share: the fixed identity of their cluster, seeded randomness, and a disk. */

import { createHash } from 'node:crypto'
import { type ClusterSettings, DEFAULT_SETTINGS } from '../../src/consensus/configuration.js'
import type { HardState, RestoredLog, StoreRecord } from '../../src/consensus/core.js'
import { type Entry, GENESIS_CHAIN } from '../../src/consensus/entry.js'
import { decodeMembership, type Membership, type MembershipRecord } from '../../src/consensus/membership.js'
import type { LogBase, SnapshotOffer } from '../../src/consensus/snapshot.js'
import { epoch, type LogIndex, logIndex, type NodeId, nodeId, term } from '../../src/consensus/types.js'

export const sha256 = (data: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(data).digest())
export const CLUSTER_ID = new Uint8Array(16).fill(7)
export const CONFIG_HASH = new Uint8Array(32).fill(9)
export const SETTINGS: ClusterSettings = {
  ...DEFAULT_SETTINGS,
  electionTimeoutMinMs: 150,
  electionTimeoutMaxMs: 300,
  heartbeatIntervalMs: 50,
  leaseDriftMs: null,
}

/** One member as configurations list it; key and address follow from its name. */
export function member(id: NodeId, role: 'voter' | 'learner'): Membership['members'][number] {
  const publicKey = new Uint8Array(32).fill(id.charCodeAt(1))
  return { id, publicKey, address: `${id}:1`, zone: '', role, wasVoter: false, promote: false }
}

/** A genesis configuration of n1 … n<voters> and these learners, which may be among them. */
export function members(voters: number, learners: readonly NodeId[] = []): Membership {
  const all = Array.from({ length: voters }, (_, i) => nodeId(`n${i + 1}`)).filter((id) => !learners.includes(id))
  return {
    joint: false,
    members: [...all.map((id) => member(id, 'voter')), ...learners.map((id) => member(id, 'learner'))],
  }
}

/** n1, n2, … as voters in these zones. */
export function membersIn(...zones: readonly string[]): Membership {
  const all = zones.map((zone, at) => ({ ...member(nodeId(`n${at + 1}`), 'voter'), zone }))
  return { joint: false, members: all }
}

const GENESIS: LogBase = {
  index: logIndex(0),
  term: term(0),
  epoch: epoch(0),
  chain: GENESIS_CHAIN,
  timestampMs: 0,
  membership: null,
}

/** Where a crash can cut a write: a change of the base is a step of the disk by itself, and a long one takes several frames. */
export type Cut = 'beforeBase' | 'afterBase' | 'afterEntries'

/** The records of a write that are on the disk then; undefined where it has no such place. */
export function partOf(records: readonly StoreRecord[], cut: Cut): readonly StoreRecord[] | undefined {
  const at = records.findIndex(({ kind }) => kind === (cut === 'afterEntries' ? 'entries' : 'base'))
  return at < 0 ? undefined : records.slice(0, cut === 'beforeBase' ? at : at + 1)
}

/** What is on a node's disk. */
export class Disk {
  /** The node crashes here at its next write that has such a place. */
  failpoint: Cut | null = null
  hardState: HardState = { epoch: epoch(0), term: term(0), votedFor: null }
  base: LogBase = GENESIS
  /** Those after the base. */
  entries: Entry[] = []
  snapshot: SnapshotOffer | null = null
  /** Applied and durable before a restart. */
  executed = 0

  /** Of a write that a crash cut. */
  writePart(records: readonly StoreRecord[]): void {
    this.write(records)
  }

  write(records: readonly StoreRecord[]): void {
    for (const record of records) {
      if (record.kind === 'hardState') this.hardState = record.hardState
      else if (record.kind === 'truncate') this.entries.length = record.from - 1 - this.base.index
      else if (record.kind === 'base') this.#rebase(record.base)
      else if (record.kind === 'entries') {
        for (const entry of record.entries) {
          if (entry.index !== this.lastIndex + 1) throw new Error(`gap on disk before ${entry.index}`)
          this.entries.push(entry)
        }
      }
    }
  }

  get lastIndex(): LogIndex {
    return logIndex(this.base.index + this.entries.length)
  }

  /** Undefined outside the log. */
  entry(index: number): Entry | undefined {
    return this.entries[index - this.base.index - 1]
  }

  #rebase(base: LogBase): void {
    if (this.snapshot === null || this.snapshot.base.index < base.index) throw new Error('no snapshot covers the base')
    const own = this.entry(base.index)
    const holds = own !== undefined && Buffer.from(own.chain).equals(Buffer.from(base.chain))
    this.entries = holds ? this.entries.slice(base.index - this.base.index) : []
    this.base = base
  }

  #memberships(): MembershipRecord[] {
    return this.entries
      .filter((entry) => entry.kind === 'membership')
      .map((entry) => ({ index: entry.index, membership: decodeMembership(entry.body) }))
  }

  restored(tailMax: number, mayVote = true): RestoredLog {
    const runs: RestoredLog['termRuns'][number][] = []
    for (const entry of this.entries) {
      if (runs.at(-1)?.term !== entry.term || runs.at(-1)?.epoch !== entry.epoch)
        runs.push({ first: entry.index, epoch: entry.epoch, term: entry.term })
    }
    return {
      hardState: this.hardState,
      base: this.base,
      lastIndex: this.lastIndex,
      memberships: this.#memberships(),
      snapshot: this.snapshot,
      termRuns: runs,
      tail: this.entries.slice(-Math.max(1, tailMax)),
      commitIndex: logIndex(Math.max(this.base.index, this.executed)),
      mayVote,
      safety: null,
      pending: [],
      aborts: [],
    }
  }
}
