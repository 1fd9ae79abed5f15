/**
 * What must hold at every moment of a simulation of a Byzantine protocol, for the members that do not lie:
 * agreement, validity, certificates, one statement per slot, accusations that are true and complete. What
 * nodes do is looked at as their cores step; what only grows, after every event.
 */
import { toHex } from '../../base/bytes.js'
import type { SignedStatement } from '../../consensus/bft/statement.js'
import type { Core, Effect, Input, ProtocolMessage } from '../../consensus/core.js'
import type { Entry } from '../../consensus/entry.js'
import type { LogIndex, Mode, NodeId } from '../../consensus/types.js'
import { configurationHash } from '../../node/compose.js'
import type { SimulatedCluster } from '../cluster.js'
import { grows, type RunInvariants } from '../invariants.js'
import type { NodeWatch, SimulatedNode } from '../node.js'
import { ToldRules } from '../told-rules.js'
import { InvariantViolation } from '../violation.js'
import { EntryRules } from './entry-rules.js'
import { EvidenceRules, type EvidenceRulesOptions } from './evidence-rules.js'
import { SigningRules } from './signing-rules.js'
import { statementsIn } from './statements.js'

/** What a node was seen at; starts anew with each of its lives. */
interface Seen {
  run: number
  activity: number
  epoch: number
  turn: number
  commit: number
  applied: number
  /** What its state held when it began on a damaged log; 0 where the log was sound. */
  recovered: number
}

export class ByzantineInvariants implements RunInvariants, NodeWatch {
  readonly evidence: EvidenceRules
  readonly signing = new SigningRules()
  protected readonly cluster: SimulatedCluster
  readonly #mayLie: (id: NodeId) => boolean
  readonly #mayContradict: (id: NodeId) => boolean
  readonly #told = new ToldRules()
  readonly #entries: EntryRules
  readonly #seen: Seen[]
  /** By index − 1; undefined where nobody held it in memory any more. */
  readonly #committed: (Entry | undefined)[] = []
  /** Turns in which somebody was said to lead, and those that began because one before had failed. */
  readonly #turns = new Set<string>()
  readonly #failed = new Set<string>()

  constructor(cluster: SimulatedCluster, mayLie: (id: NodeId) => boolean) {
    this.cluster = cluster
    this.#mayLie = mayLie
    this.#seen = cluster.nodes.map(() => fresh(-1))
    // What nobody can hold a liar to: who lost votes without a trace may contradict itself too.
    const mayContradict = (id: NodeId) => mayLie(id) || cluster.node(id).mayContradictItself
    this.#mayContradict = mayContradict
    const { sha256, signatures, configuration } = cluster
    const { clusterId } = configuration
    const clusterConfigHash = configurationHash(sha256, configuration)
    const entryAt = (index: number) => this.#committed[index - 1]
    const modeOf = (epoch: number) => this.modeOf(epoch)
    const { clientKey } = cluster
    this.#entries = new EntryRules({ sha256, signatures, modeOf, clusterId, clusterConfigHash, entryAt, clientKey })
    const epochOf = (epoch: number) => this.#entries.epochOf(epoch)
    const statementsOf: EvidenceRulesOptions['statementsOf'] = (node, core, message) =>
      this.statementsOf(node, core, message)
    this.evidence = new EvidenceRules({ sha256, signatures, clusterId, mayLie: mayContradict, epochOf, statementsOf })
  }

  get commits(): number {
    return this.#committed.length
  }

  get leaderChanges(): number {
    return Math.max(0, this.#turns.size - 1)
  }

  get viewChanges(): number {
    return this.#failed.size
  }

  /** One protocol does not switch. */
  get switches(): number | null {
    return null
  }

  /** The protocol of an epoch. */
  protected modeOf(_epoch: number): Mode {
    const { protocol } = this.cluster.configuration
    return protocol === 'hybrid' ? 'raft' : protocol
  }

  /** What a verified message says that is held against what was said before. */
  protected statementsOf(_node: SimulatedNode, core: Core, message: ProtocolMessage): readonly SignedStatement[] {
    const { epoch } = core.status()
    // The same members may come back: a signature of an earlier epoch of theirs is of no interest any more.
    return statementsIn(this.cluster.sha256, message).filter((statement) => statement.epoch === epoch)
  }

  /** What is committed there; undefined where it is not known. */
  protected entryAt(index: number): Entry | undefined {
    return this.#committed[index - 1]
  }

  /** A member answered a request of a client. */
  answered(_by: NodeId, _request: string, _payload: Uint8Array): void {}

  get acknowledgedMax(): number {
    return this.#told.acknowledgedMax
  }

  /** A client signed a request: from now on it may be ordered. */
  issued(request: Uint8Array): void {
    this.#entries.issued(request)
  }

  signed(node: NodeId, bytes: Uint8Array, signature: Uint8Array): void {
    if (!this.#mayContradict(node)) this.signing.signed(node, bytes, signature)
  }

  released(from: NodeId, message: ProtocolMessage): void {
    if (!this.#mayContradict(from)) this.signing.released(from, message)
  }

  stepped(node: SimulatedNode, core: Core, input: Input, effects: readonly Effect[]): void {
    if (this.#mayLie(node.id)) return
    for (const effect of effects) {
      if (effect.type === 'commit') this.#commit(node, core, effect.upTo)
      else if (effect.type === 'roleChanged') this.#noteTurn(core)
    }
    this.evidence.stepped(node, core, input, effects)
  }

  check(): void {
    this.cluster.nodes.forEach((node, at) => {
      const seen = this.#seen[at] as Seen
      if (node.activity === seen.activity && node.run === seen.run) return
      seen.activity = node.activity
      if (node.running === null || this.#mayLie(node.id)) return
      if (node.run !== seen.run) {
        const recovered = node.isDamaged ? node.running.loop.machine.appliedIndex : 0
        Object.assign(seen, fresh(node.run), { activity: node.activity, recovered })
      }
      this.#checkNode(node, seen)
    })
  }

  read(index: number, floor: number): void {
    this.#told.read(index, floor)
  }

  acknowledged(index: number): void {
    this.#told.acknowledged(index, this.commits)
  }

  readonly committedChain = (index: number): string | undefined => {
    const entry = this.#committed[index - 1]
    return entry === undefined ? undefined : toHex(entry.chain)
  }

  digestAt(index: number): string | undefined {
    return this.#told.digestAt(index)
  }

  digest(node: string, index: number, digest: string): void {
    this.#told.digest(node, index, digest)
  }

  #checkNode(node: SimulatedNode, seen: Seen): void {
    const running = node.running as NonNullable<SimulatedNode['running']>
    const { epoch, view, round, commitIndex, lastIndex } = running.core.status()
    const applied = running.loop.machine.appliedIndex
    const turn = view ?? round ?? 0
    grows(node, 'monotoneEpoch', seen.epoch, epoch)
    if (epoch === seen.epoch) grows(node, 'monotoneView', seen.turn, turn)
    grows(node, 'monotoneCommit', seen.commit, commitIndex)
    if (!node.isDamaged) {
      grows(node, 'monotoneApplied', seen.applied, applied)
      // When a damaged log is whole again the state still holds what was committed before the damage, and only the next
      // certificate moves the commit index there; nothing rests on an index below what is applied.
      if (applied > Math.max(commitIndex, seen.recovered) || commitIndex > lastIndex) {
        const detail = `${node.id} has applied ${applied}, committed ${commitIndex}, last ${lastIndex}`
        throw new InvariantViolation('appliedWithinCommitted', detail)
      }
    }
    Object.assign(seen, { epoch, turn, commit: commitIndex, applied })
  }

  #noteTurn(core: Core): void {
    const { epoch, view, round, term, leader } = core.status()
    const turn = `${epoch}/${view ?? round ?? term}`
    if (leader !== null) this.#turns.add(turn)
    if (view === null ? (round ?? 0) > 1 : view > 0) this.#failed.add(turn)
  }

  #commit(node: SimulatedNode, core: Core, upTo: number): void {
    const seen = this.#seen[this.cluster.nodes.indexOf(node)] as Seen
    const from = seen.run === node.run ? seen.commit : 0
    for (let index = from + 1; index <= upTo; index++) {
      const entry = core.entry(index as LogIndex)
      if (entry !== undefined) this.#checkCommitted(node, core, entry)
      else if (index > this.#committed.length) this.#committed[index - 1] = undefined
    }
  }

  /** Agreement: one value and one past per index. */
  #checkCommitted(node: SimulatedNode, core: Core, entry: Entry): void {
    const known = this.#committed[entry.index - 1]
    if (known !== undefined && toHex(known.chain) !== toHex(entry.chain))
      throw new InvariantViolation('agreement', `${node.id} committed another entry ${entry.index}`)
    // Another node's proof of the same entry is one of its own.
    this.#entries.committed(node.id, core, entry, known)
    if (known === undefined && entry.kind === 'evidence') this.evidence.ordered(entry.body)
    this.#committed[entry.index - 1] ??= entry
  }
}

function fresh(run: number): Seen {
  return { run, activity: -1, epoch: 0, turn: 0, commit: 0, applied: 0, recovered: 0 }
}
