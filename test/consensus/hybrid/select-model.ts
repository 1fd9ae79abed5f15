/**
 * A small model of the hardened Raft rules with an adversary that lies from the start: elections, forks,
 * acknowledgements, certificates and aborts in random order, then SELECT on random quorums of histories.
 * It runs the production SELECT on what the rules let honest nodes end up with, many thousand times, and
 * looks whether everything that was answered is within the result. Variants leave one rule out.
 */

import type { Position } from '../../../src/consensus/hybrid/positions.js'
import { type HistoryView, type Selection, select } from '../../../src/consensus/hybrid/select.js'
import { byzantineFaults, byzantineQuorum } from '../../../src/consensus/quorum.js'
import { type LogIndex, nodeId, type Term } from '../../../src/consensus/types.js'
import { seededRandom } from '../../random.js'

export interface Variant {
  /** Answers rest on one phase of acknowledgements whatever the size. */
  readonly onePhase?: boolean
  /** Voters do not ask that a candidate of their last term extends their chain. */
  readonly noExtension?: boolean
  /** A leader may begin its term anywhere, not only at the tip that its certificate names. */
  readonly noBinding?: boolean
  readonly ackAfterAbort?: boolean
  /** On a fork the longest branch is taken. */
  readonly noForkRule?: boolean
}

interface Block {
  readonly id: number
  readonly index: number
  readonly parent: Block | null
}
interface Place {
  readonly term: number
  readonly block: Block
}
interface TermRecord {
  readonly term: number
  readonly leader: number
  readonly tip: Place
  /** Everything its leader put its name under. */
  readonly said: Block[]
  end: Block
}
interface Honest {
  readonly id: number
  granted: number
  seen: number
  tip: Place
  commit: Place | null
  aborted: HistoryView | null
}

const GENESIS: Block = { id: 0, index: 0, parent: null }

function isOn(block: Block, of: Block): boolean {
  let at: Block | null = of
  while (at !== null && at.index > block.index) at = at.parent
  return at === block
}

function hashOf({ id }: Block): Uint8Array {
  const hash = new Uint8Array(32)
  new DataView(hash.buffer).setUint32(0, id)
  return hash
}

function positionOf({ term, block }: Place): Position {
  return { term: term as Term, index: block.index as LogIndex, hash: hashOf(block) }
}

const after = (a: Place, b: Place): boolean => (a.term !== b.term ? a.term > b.term : a.block.index > b.block.index)

export class Model {
  readonly #random: () => number
  readonly #variant: Variant
  readonly #count: number
  readonly #quorum: number
  readonly #liars: number
  readonly #honest: Honest[] = []
  readonly #terms: TermRecord[] = []
  readonly #acks = new Map<string, Set<number>>()
  readonly #held = new Map<string, Set<number>>()
  readonly #commits: Place[] = []
  readonly #answered: Place[] = []
  #nextId = 1

  constructor(seed: number, count: number, variant: Variant = {}) {
    this.#random = seededRandom(seed)
    this.#variant = variant
    this.#count = count
    this.#quorum = byzantineQuorum(count)
    // The first so many members lie.
    this.#liars = byzantineFaults(count)
    const tip = { term: 0, block: GENESIS }
    for (let id = this.#liars; id < count; id++) {
      this.#honest.push({ id, granted: 0, seen: 0, tip, commit: null, aborted: null })
    }
  }

  /** Runs to the end of the epoch. Returns what is wrong with the result, or null. */
  run(): string | null {
    const steps = 10 + this.#pick(40)
    for (let step = 0; step < steps; step++) this.#step()
    for (const node of this.#honest) node.aborted ??= this.#historyOf(node)
    for (let attempt = 0; attempt < 3; attempt++) {
      const problem = this.#judge()
      if (problem !== null) return problem
    }
    return null
  }

  /** With a rule left out the invariants of the rules do not hold either. */
  get #isControl(): boolean {
    return Object.keys(this.#variant).length > 0
  }

  get answered(): number {
    return this.#answered.length
  }

  #pick(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #chance(share: number): boolean {
    return this.#random() < share
  }

  #step(): void {
    const what = this.#random()
    if (what < 0.12 || this.#terms.length === 0) this.#elect()
    else if (what < 0.65) this.#append()
    else if (what < 0.9) this.#hold()
    else if (what > 0.93 && this.#terms.length > 1) {
      const node = this.#honest[this.#pick(this.#honest.length)] as Honest
      node.aborted ??= this.#historyOf(node)
    }
  }

  #elect(): void {
    const term = (this.#terms.at(-1)?.term ?? 0) + 1 + this.#pick(2)
    const candidate = this.#chance(0.6) ? this.#pick(this.#liars) : this.#liars + this.#pick(this.#honest.length)
    const own = this.#honest[candidate - this.#liars]
    if (own?.aborted != null) return
    const tip = own === undefined ? this.#anyTip() : own.tip
    let grants = this.#liars
    for (const node of this.#honest) {
      if (this.#chance(0.2) && node.id !== candidate) continue
      if (this.#grants(node, term, tip)) grants++
    }
    if (grants < this.#quorum) return
    const start = this.#variant.noBinding === true && own === undefined ? this.#anyTip().block : tip.block
    const first = this.#block(start)
    this.#terms.push({ term, leader: candidate, tip, said: [first], end: first })
  }

  /** A tip for which a proof exists: whatever a leader signed. */
  #anyTip(): Place {
    const record = this.#terms[this.#pick(this.#terms.length)]
    if (record === undefined) return { term: 0, block: GENESIS }
    return { term: record.term, block: record.said[this.#pick(record.said.length)] as Block }
  }

  #grants(node: Honest, term: number, tip: Place): boolean {
    if (node.aborted !== null || node.granted >= term || node.seen > term) return false
    if (tip.term < node.tip.term) return false
    if (tip.term === node.tip.term) {
      if (tip.block.index < node.tip.block.index) return false
      if (this.#variant.noExtension !== true && !isOn(node.tip.block, tip.block)) return false
    }
    const { commit } = node
    if (commit !== null && !isOn(commit.block, tip.block) && tip.term <= commit.term) return false
    node.granted = term
    node.seen = term
    return true
  }

  #append(): void {
    const record = this.#terms[Math.max(0, this.#terms.length - 1 - this.#pick(2))] as TermRecord
    const isLiar = record.leader < this.#liars
    const branches = [this.#grow(record, record.end)]
    if (isLiar && this.#chance(0.7)) {
      const from = this.#chance(0.5) ? (record.said[this.#pick(record.said.length)] as Block) : record.end
      branches.push(this.#grow(record, from))
      if (this.#chance(0.5)) branches.push(record.said[this.#pick(record.said.length)] as Block)
    }
    if (!isLiar) record.end = branches[0] as Block
    for (const node of this.#honest) {
      if (this.#chance(0.25)) continue
      this.#take(node, record, branches[this.#pick(branches.length)] as Block)
    }
  }

  #grow(record: TermRecord, from: Block): Block {
    let end = from
    for (let left = 1 + this.#pick(2); left > 0; left--) {
      end = this.#block(end)
      record.said.push(end)
    }
    return end
  }

  #block(parent: Block): Block {
    return { id: this.#nextId++, index: parent.index + 1, parent }
  }

  #take(node: Honest, { term }: TermRecord, block: Block): void {
    if (node.aborted !== null && this.#variant.ackAfterAbort !== true) return
    if (node.seen > term || node.tip.term > term) return
    if (node.tip.term === term && !isOn(node.tip.block, block)) return
    node.seen = term
    if (node.aborted === null) node.tip = { term, block }
    this.#sign(this.#acks, node.id, { term, block })
    const acks = this.#acks.get(keyOf({ term, block }))?.size ?? 0
    if (acks + this.#liars < this.#quorum || this.#commits.some((known) => keyOf(known) === keyOf({ term, block })))
      return
    this.#commits.push({ term, block })
    if (this.#variant.onePhase === true || this.#quorum === this.#count - 1) this.#answered.push({ term, block })
  }

  /** A commit certificate reaches some of them. */
  #hold(): void {
    const place = this.#commits[this.#pick(this.#commits.length)]
    if (place === undefined) return
    for (const node of this.#honest) {
      if (node.aborted !== null || this.#chance(0.4)) continue
      if (node.commit === null || after(place, node.commit)) node.commit = place
      // On a branch that lost, or behind: the node stands where the certificate is.
      if (place.term >= node.tip.term && !isOn(place.block, node.tip.block)) node.tip = place
      this.#sign(this.#held, node.id, place)
    }
    if ((this.#held.get(keyOf(place))?.size ?? 0) + this.#liars >= this.#quorum) this.#answered.push(place)
  }

  #sign(book: Map<string, Set<number>>, id: number, place: Place): void {
    const key = keyOf(place)
    book.set(key, (book.get(key) ?? new Set()).add(id))
  }

  #historyOf({ id, tip, commit }: Honest): HistoryView {
    if (commit === null || isOn(commit.block, tip.block)) return this.#view(id, tip, commit)
    // The own log lacks what is certified: it ends before, or on a branch that lost.
    if (commit.term < tip.term && !this.#isControl) throw new Error('a later term lacks what was certified before')
    return this.#view(id, commit, commit)
  }

  #view(id: number, tip: Place, commit: Place | null): HistoryView {
    const certified = commit ?? { term: 0, block: GENESIS }
    const blocks: Block[] = []
    for (let at = tip.block; at.index > certified.block.index; at = at.parent as Block) blocks.unshift(at)
    const record = this.#terms.find(({ term }) => term === tip.term)
    const term =
      blocks.length === 0 || record === undefined
        ? null
        : { leader: nodeId(`n${record.leader}`), tip: positionOf(record.tip) }
    return {
      signer: nodeId(`n${id}`),
      certified: positionOf(certified),
      tip: positionOf(tip),
      hashes: blocks.map(hashOf),
      kinds: blocks.map(() => 'data' as const),
      term,
    }
  }

  /** Whatever a liar can prove: any leader's word, with any certificate on it, or none. */
  #forged(id: number): HistoryView {
    const own = this.#terms.filter(({ leader }) => leader < this.#liars)
    const mine = own[this.#pick(own.length)]
    if (mine !== undefined && this.#chance(0.3)) this.#grow(mine, mine.said[this.#pick(mine.said.length)] as Block)
    const tip = this.#anyTip()
    const fitting = this.#commits.filter((place) => isOn(place.block, tip.block) && !after(place, tip))
    const commit = this.#chance(0.6) ? (fitting[this.#pick(fitting.length)] ?? null) : null
    return this.#view(id, tip, commit)
  }

  #judge(): string | null {
    const histories = this.#honest.map((node) => node.aborted as HistoryView)
    for (let id = 0; id < this.#liars; id++) if (this.#chance(0.8)) histories.push(this.#forged(id))
    const excluded = new Set<string>()
    for (;;) {
      const usable = histories.filter(({ signer }) => !excluded.has(signer))
      const chosen = this.#shuffled(usable).slice(0, this.#quorum)
      // Without its binding the log of a term does not begin where its certificate says: such histories are not valid.
      if (this.#variant.noBinding === true) return this.#missing(longest(chosen).result)
      const found = this.#variant.noForkRule === true ? longest(chosen) : select(chosen)
      if (this.#variant.noForkRule !== true) {
        const again = select(this.#shuffled(chosen))
        if (JSON.stringify(again) !== JSON.stringify(found)) return 'the order of the histories matters'
      }
      if (found.kind === 'exclude') {
        if (Number(found.leader.slice(1)) >= this.#liars) return `the honest ${found.leader} is accused`
        excluded.add(found.leader)
        continue
      }
      return this.#missing(found.result)
    }
  }

  #shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, at: this.#random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item)
  }

  #missing(result: Position): string | null {
    const id = new DataView(result.hash.buffer, result.hash.byteOffset).getUint32(0)
    const end = id === 0 ? GENESIS : this.#find(id)
    for (const { term, block } of this.#answered) {
      if (!isOn(block, end)) return `entry ${block.index} of term ${term} was answered and is not in the result`
    }
    return null
  }

  #find(id: number): Block {
    for (const { said } of this.#terms) {
      for (const block of said) {
        for (let at: Block | null = block; at !== null; at = at.parent) if (at.id === id) return at
      }
    }
    throw new Error(`nobody said ${id}`)
  }
}

const keyOf = ({ term, block }: Place): string => `${term}/${block.id}`

/** What SELECT would be without the rule for forks. */
function longest(histories: readonly HistoryView[]): Extract<Selection, { kind: 'result' }> {
  const best = [...histories].sort((a, b) => b.tip.term - a.tip.term || b.tip.index - a.tip.index)[0] as HistoryView
  return { kind: 'result', result: best.tip, holders: [] }
}
