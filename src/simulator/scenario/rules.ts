/**
 * What must hold in every story after every step: the properties of Raft (Ongaro and Ousterhout,
 * figure 3) and that votes and commits rest on what is on disk. Kept over crashes: it remembers what
 * the nodes may forget.
 */
import { toHex } from '../../base/bytes.js'
import type { Effect, HardState } from '../../consensus/core.js'
import type { Entry } from '../../consensus/entry.js'
import { type Membership, quorumOf } from '../../consensus/membership.js'
import { hasQuorum } from '../../consensus/quorum.js'
import type { LogBase } from '../../consensus/snapshot.js'
import type { NodeId } from '../../consensus/types.js'
import { isHeldApart } from '../held-apart.js'

/** A rule was broken; `rule` is one of `RULES`. */
export class BrokenRule extends Error {
  readonly rule: string

  constructor(rule: string, detail: string) {
    super(`${rule}: ${detail}`)
    this.rule = rule
  }
}

/** The names that `never:` may give; all are checked in every story. */
export const RULES = [
  'two leaders in a term',
  'two votes in a term',
  'a vote that is not on disk',
  'two entries at one place',
  'a leader without a committed entry',
  'two committed entries at one index',
  'a commit without a quorum',
  'a commit in one zone',
  'a commit that is not on the own disk',
  'going back',
] as const

/** What the rules look at. */
export interface RuledNode {
  readonly id: NodeId
  /** The log as its core has it, durable or not. */
  entryOf(index: number): Entry | undefined
  readonly baseOf: LogBase
  /** Of the log on its disk. */
  durableEntry(index: number): Entry | undefined
  readonly durableBase: LogBase
  readonly durableHardState: HardState
}

interface Committed {
  readonly chain: string
  readonly entry: Entry | null
  readonly seenInTerm: number
}

export class Rules {
  readonly #leaders = new Map<number, NodeId>()
  readonly #votes = new Map<string, NodeId>()
  readonly #chains = new Map<string, string>()
  readonly #committed: Committed[] = []
  /** False where nodes are played by hand or lost their disk: then nobody can count copies. */
  countsCopies = true
  /** What is committed is held in two zones. */
  commitsApart = false

  get commits(): number {
    return this.#committed.length
  }

  committedEntry(index: number): Entry | null {
    return this.#committed[index - 1]?.entry ?? null
  }

  isCommitted(entry: Entry): boolean | null {
    const known = this.#committed[entry.index - 1]
    return known === undefined ? null : known.chain === toHex(entry.chain)
  }

  /** What is committed before the story begins. */
  given(index: number, entry: Entry, term: number): void {
    if (this.#committed[index - 1] === undefined) {
      this.#committed[index - 1] = { chain: toHex(entry.chain), entry, seenInTerm: term }
    }
  }

  entry(node: NodeId, entry: Entry): void {
    const place = `${entry.term}/${entry.index}`
    const chain = toHex(entry.chain)
    const known = this.#chains.get(place)
    if (known !== undefined && known !== chain) {
      throw new BrokenRule(
        'two entries at one place',
        `${node} holds another entry ${entry.index} of term ${entry.term}`,
      )
    }
    this.#chains.set(place, chain)
  }

  leads(node: RuledNode, term: number): void {
    const other = this.#leaders.get(term)
    if (other !== undefined && other !== node.id) {
      throw new BrokenRule('two leaders in a term', `${other} and ${node.id} both lead term ${term}`)
    }
    this.#leaders.set(term, node.id)
    for (let index = this.#committed.length; index > node.baseOf.index; index--) {
      const committed = this.#committed[index - 1]
      if (committed === undefined || committed.seenInTerm >= term) continue
      const own = node.entryOf(index)
      if (own === undefined || toHex(own.chain) !== committed.chain) {
        const detail = `${node.id} leads term ${term} without committed entry ${index}`
        throw new BrokenRule('a leader without a committed entry', detail)
      }
    }
  }

  sends(node: RuledNode, { to, message }: Extract<Effect, { type: 'send' }>): void {
    if (message.type !== 'requestVoteReply' || !message.granted) return
    const key = `${node.id}/${message.term}`
    const before = this.#votes.get(key)
    if (before !== undefined && before !== to) {
      throw new BrokenRule('two votes in a term', `${node.id} votes for ${before} and ${to} in term ${message.term}`)
    }
    this.#votes.set(key, to)
    const { term, votedFor } = node.durableHardState
    if (term < message.term || (term === message.term && votedFor !== to)) {
      throw new BrokenRule('a vote that is not on disk', `${node.id} votes for ${to} in term ${message.term}`)
    }
  }

  /** `node` reports entry `index` as committed. */
  committedAt(node: RuledNode, index: number, seenInTerm: number, cluster: Cluster): void {
    const entry = node.durableEntry(index)
    if (entry === undefined) {
      if (index <= node.durableBase.index) return
      throw new BrokenRule('a commit that is not on the own disk', `${node.id} commits ${index}`)
    }
    const chain = toHex(entry.chain)
    const known = this.#committed[index - 1]
    if (known === undefined) {
      this.#committed[index - 1] = { chain, entry, seenInTerm }
      this.#countCopies(entry, cluster)
    } else if (known.chain !== chain) {
      throw new BrokenRule('two committed entries at one index', `${node.id} commits another entry ${index}`)
    }
  }

  restores(node: NodeId, base: LogBase): void {
    const known = this.#committed[base.index - 1]
    if (known === undefined || known.chain !== toHex(base.chain)) {
      throw new BrokenRule('two committed entries at one index', `${node} restores another state at ${base.index}`)
    }
  }

  grows(node: NodeId, what: string, before: number, now: number): void {
    if (now < before) throw new BrokenRule('going back', `${what} of ${node} goes from ${before} to ${now}`)
  }

  #countCopies(entry: Entry, { nodes, membership }: Cluster): void {
    if (!this.countsCopies) return
    const holds = (id: NodeId) => {
      const node = nodes.find((one) => one.id === id)
      if (node === undefined) return false
      if (node.durableBase.index >= entry.index) return true
      const own = node.durableEntry(entry.index)
      return own !== undefined && own.term === entry.term
    }
    if (!hasQuorum(quorumOf(membership), holds)) {
      throw new BrokenRule('a commit without a quorum', `entry ${entry.index} of term ${entry.term}`)
    }
    if (this.commitsApart && !isHeldApart(membership, holds)) {
      throw new BrokenRule('a commit in one zone', `entry ${entry.index} of term ${entry.term}`)
    }
  }
}

export interface Cluster {
  readonly nodes: readonly RuledNode[]
  /** In force at the leader that commits. */
  readonly membership: Membership
}
