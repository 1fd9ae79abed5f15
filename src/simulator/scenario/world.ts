/**
 * The whole of a story: nodes, messages on their way, cuts and holds, answers, and the rules. It moves
 * only when it is told to; `settle` and `wait` are the only two that do more than one thing.
 */
import { KnhkError } from '../../base/error.js'
import type { Effect, ProtocolMessage } from '../../consensus/core.js'
import type { Entry } from '../../consensus/entry.js'
import type { Membership } from '../../consensus/membership.js'
import type { LogBase, SnapshotOffer } from '../../consensus/snapshot.js'
import type { Millis, NodeId } from '../../consensus/types.js'
import { CONFIG_HASH } from './entries.js'
import type { NodeEvents, ScenarioNode } from './node.js'
import { Rules } from './rules.js'
import { type InFlight, matches, type Pattern } from './wire.js'

/** Deliveries of one `settle`, timers of one `wait`; more is a loop. */
const MOVES_MAX = 100_000
/** Messages on their way. */
const IN_FLIGHT_MAX = 20_000

/** What became of a proposal, a read or an order. */
export type Answer =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'proposed'; readonly entry: Entry }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'underWay' }
  | { readonly kind: 'refused'; readonly code: string }

interface Seen {
  term: number
  commit: number
  leads: boolean
}

export class World {
  readonly nodes = new Map<string, ScenarioNode>()
  readonly rules = new Rules()
  readonly answers = new Map<string, Answer>()
  genesis: Membership = { joint: false, members: [] }
  messages: InFlight[] = []
  /** Directed pairs that are cut: `from>to`. */
  readonly cuts = new Set<string>()
  holds: Pattern[] = []
  readonly #seen = new Map<string, Seen>()
  readonly #asked = new Map<string, string>()
  #nextMessage = 1
  #nextRequest = 1

  readonly events: NodeEvents = {
    onSend: (node, send) => {
      this.rules.sends(node, send)
      this.transmit(node.id, send.to, send.message)
    },
    onFetch: (node, { from, snapshot }) => {
      const isUnderWay = this.messages.some(({ to, message }) => to === node.id && message.type === 'snapshotFile')
      if (!isUnderWay) this.transmit(from, node.id, { type: 'snapshotFile', snapshot })
    },
    onCommit: (node, from, upTo) => {
      const { term } = node.running().status()
      const cluster = { nodes: [...this.nodes.values()], membership: this.#deciding() }
      for (let index = from + 1; index <= upTo; index++) this.rules.committedAt(node, index, term, cluster)
    },
    onRestore: (node, base) => this.rules.restores(node.id, base),
    onStepped: (node) => this.#look(node),
    onEntries: (node, entries) => {
      for (const entry of entries) this.rules.entry(node.id, entry)
    },
    onAnswer: (node, effect) => this.#answer(node, effect),
  }

  node(id: string): ScenarioNode {
    const node = this.nodes.get(id)
    if (node === undefined) throw new KnhkError('InvalidArgument', `there is no node ${id}`)
    return node
  }

  /** Who leads in the highest term; null when nobody does. */
  leader(): ScenarioNode | null {
    let found: ScenarioNode | null = null
    let highest = -1
    for (const node of this.nodes.values()) {
      const status = node.core?.status()
      if (status?.role !== 'leader' || status.term <= highest) continue
      found = node
      highest = status.term
    }
    return found
  }

  /** Forgets what a new life of a node need not remember. */
  starts(node: ScenarioNode): void {
    this.#seen.delete(node.id)
  }

  /** A number that no other request has, remembered under the story's name for it. */
  ask(kind: 'propose' | 'read' | 'order', node: ScenarioNode, name: string): number {
    const id = this.#nextRequest++
    this.answers.set(name, { kind: 'waiting' })
    this.#asked.set(`${kind}/${node.id}/${id}`, name)
    return id
  }

  transmit(from: NodeId, to: NodeId, message: InFlight['message']): void {
    if (this.cuts.has(`${from}>${to}`) || !this.nodes.has(to)) return
    if (this.messages.length >= IN_FLIGHT_MAX) throw new KnhkError('Bug', 'too many messages are on their way')
    this.messages.push({ id: this.#nextMessage++, from, to, message })
  }

  isHeld(message: InFlight): boolean {
    return this.holds.some((pattern) => matches(pattern, message))
  }

  isDeliverable(message: InFlight): boolean {
    return !this.isHeld(message) && this.nodes.get(message.to)?.paused !== true
  }

  drop(messages: readonly InFlight[]): void {
    const dropped = new Set(messages)
    this.messages = this.messages.filter((message) => !dropped.has(message))
  }

  async deliver(messages: readonly InFlight[]): Promise<void> {
    for (const message of messages) {
      this.drop([message])
      await this.#receive(message)
    }
  }

  /** Delivers and completes everything that is not held, until nothing is on its way. */
  async settle(): Promise<void> {
    for (let moves = 0; moves < MOVES_MAX; moves++) {
      const next = this.messages.find((message) => this.isDeliverable(message) && !this.node(message.to).byHand)
      if (next === undefined) return
      await this.deliver([next])
    }
    throw new KnhkError('Bug', 'the messages never come to an end')
  }

  /** Moves the clocks without a tick. */
  pass(ms: Millis, nodes: Iterable<ScenarioNode> = this.nodes.values()): void {
    for (const node of nodes) node.clockMs += ms
  }

  async tick(node: ScenarioNode): Promise<void> {
    const due = node.running().deadline()
    if (due === undefined) throw new KnhkError('InvalidArgument', `${node.id} waits for nothing`)
    node.clockMs = Math.max(node.clockMs, due)
    await node.step({ type: 'tick' })
  }

  /** Time passes as it does: timers run out in their order, messages arrive at once. */
  async wait(ms: Millis): Promise<void> {
    let left = ms
    for (let moves = 0; moves < MOVES_MAX; moves++) {
      await this.settle()
      const next = this.nextTimer()
      if (next === null || next.inMs > left) {
        this.pass(left)
        return
      }
      this.pass(next.inMs)
      left -= next.inMs
      await next.node.step({ type: 'tick' })
    }
    throw new KnhkError('Bug', 'the timers never come to an end')
  }

  /** Whose timer runs out first, and in how long; null where no timer runs. */
  nextTimer(): { readonly node: ScenarioNode; readonly inMs: Millis } | null {
    let found: { node: ScenarioNode; inMs: Millis } | null = null
    for (const node of this.nodes.values()) {
      const due = node.paused ? undefined : node.core?.deadline()
      if (due === undefined) continue
      const inMs = Math.max(0, due - node.clockMs)
      if (found === null || inMs < found.inMs) found = { node, inMs }
    }
    return found
  }

  async #receive({ from, to, message }: InFlight): Promise<void> {
    const node = this.node(to)
    if (node.core === null) return
    if (message.type === 'snapshotFile') await this.#fetched(node, message.snapshot)
    else await node.step({ type: 'message', from, configHash: CONFIG_HASH, message: message as ProtocolMessage })
  }

  async #fetched(node: ScenarioNode, snapshot: SnapshotOffer): Promise<void> {
    if (node.snapshot === null || node.snapshot.base.index < snapshot.base.index) node.snapshot = snapshot
    await node.step({ type: 'snapshotFetched', snapshot })
  }

  #look(node: ScenarioNode): void {
    const { term, commitIndex, role } = node.running().status()
    const seen = this.#seen.get(node.id) ?? { term: 0, commit: 0, leads: false }
    this.rules.grows(node.id, 'the term', seen.term, term)
    this.rules.grows(node.id, 'the commit index', seen.commit, commitIndex)
    if (role === 'leader' && (!seen.leads || seen.term !== term)) this.rules.leads(node, term)
    this.#seen.set(node.id, { term, commit: commitIndex, leads: role === 'leader' })
  }

  /** The configuration of whoever decides; it may be a leader that others have not heard of yet. */
  #deciding(): Membership {
    return this.leader()?.running().status().membership.membership ?? this.genesis
  }

  #answer(node: ScenarioNode, effect: Effect): void {
    const put = (kind: string, id: number, answer: Answer) => {
      const name = this.#asked.get(`${kind}/${node.id}/${id}`)
      if (name !== undefined) this.answers.set(name, answer)
    }
    switch (effect.type) {
      case 'proposed': {
        const entry = node.entryOf(effect.index) as Entry
        return put('propose', effect.proposalId, { kind: 'proposed', entry })
      }
      case 'refused':
        return put('propose', effect.proposalId, { kind: 'refused', code: effect.code })
      case 'readReady':
        return put('read', effect.readId, { kind: 'index', index: effect.index })
      case 'readRefused':
        return put('read', effect.readId, { kind: 'refused', code: effect.code })
      case 'ordered':
        return put(
          'order',
          effect.orderId,
          effect.index === null ? { kind: 'underWay' } : { kind: 'index', index: effect.index },
        )
      case 'orderRefused':
        return put('order', effect.orderId, { kind: 'refused', code: effect.code })
      default:
    }
  }
}

/** What a snapshot of a node at its applied index says. */
export function snapshotOf(base: LogBase, id: Uint8Array): SnapshotOffer {
  return { base, id, bytes: 1000 + base.index }
}
