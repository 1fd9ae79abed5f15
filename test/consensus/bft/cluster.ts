/**
 * A deterministic cluster of Byzantine cores in memory: one seed decides every delay, loss, duplicate,
 * crash and timer. It drives the cores as a node does: ingress asks `interest`, verifies `checks` and only
 * then steps; writes complete later and sends wait for them; a crash loses what was not durable; clients
 * give their signed requests to all members; execution answers with state digests.
 *
 * It knows no protocol: `makeCore` does. Honest nodes are watched at every step: they agree, they never
 * release two signatures for one slot, and nobody accuses them.
 */
import { computeBatchDigest } from '../../../src/consensus/batch-digest.js'
import type { Effect, Input, Now, ProtocolMessage } from '../../../src/consensus/core.js'
import type { Entry } from '../../../src/consensus/entry.js'
import type { TargetMember } from '../../../src/consensus/membership.js'
import { encodeBody, forEachRequest } from '../../../src/consensus/request-body.js'
import { logIndex, type NodeId, readId } from '../../../src/consensus/types.js'
import { configurationAt, positionOf } from '../cluster-parts.js'
import { CoreCluster, justStarted, type Sent } from '../core-cluster.js'
import { sha256 } from '../disk.js'
import { ByzantineDisk } from './byzantine-disk.js'
import { holds, signAs } from './keys.js'
import { CALM, type ClusterOptions, type Faults, type Node, type Request } from './node.js'
import { ADMIN, changeAuthority, clientRequest, nameOf, namesIn } from './requests.js'
import { Watch } from './watch.js'

/** A request waits so long on a node before the node forwards it to the primary, or to all without one. */
const FORWARD_AFTER_MS = 1000
const LOAD_ENTRIES_MAX = 16

export { CALM, type CoreSeed, type Node } from './node.js'

export class ByzantineCluster extends CoreCluster<Node> {
  readonly options: ClusterOptions
  readonly watch = new Watch()
  /** What was emitted, by type; for assertions. */
  readonly seen: { readonly node: NodeId; readonly effect: Effect }[] = []
  /** Connections on which a message failed its checks. */
  readonly rejected: { readonly from: NodeId; readonly to: NodeId; readonly type: string }[] = []
  readonly counts = { delivered: 0, dropped: 0, verified: 0, executed: 0, proposed: 0, crashes: 0, installs: 0 }
  override faults: Faults = CALM
  /** A liar's hand in what its node sends: what leaves instead. Null leaves it as it is. */
  intercept: (from: NodeId, to: NodeId, message: ProtocolMessage) => readonly ProtocolMessage[] | null = () => null
  /** Sees every message as it is delivered. */
  onDeliver: (from: NodeId, to: NodeId, message: ProtocolMessage) => void = () => {}
  /** Sees every entry as a node executes it, over restarts again. */
  onExecute: (id: NodeId, entry: Entry) => void = () => {}
  /** Donors whose snapshots do not hold what they say. */
  readonly lyingDonors = new Set<NodeId>()
  readonly #snapshots = new Map<string, { readonly state: Uint8Array }>()
  readonly #reads = new Map<number, 'open' | number>()
  #nextId = 1

  constructor(options: ClusterOptions) {
    super(options.seed)
    this.options = options
    for (const id of [...options.membership.members.map((member) => member.id), ...(options.spares ?? [])]) {
      this.nodes.set(id, this.#boot(id, new ByzantineDisk(), 0, (this.random() - 0.5) * 400, new Map()))
    }
  }

  /** These may do anything: what they sign and commit is not watched. */
  lie(...ids: NodeId[]): void {
    for (const id of ids) this.watch.liars.add(id)
  }

  get honest(): Node[] {
    return [...this.nodes.values()].filter((node) => !this.watch.liars.has(node.id))
  }

  leader(): Node | undefined {
    return [...this.nodes.values()].find((node) => node.up && node.core.status().role === 'leader')
  }

  /** A signed request of one client, given to these nodes (all by default). Returns its name. */
  submit(to: readonly NodeId[] = [...this.nodes.keys()], size = 16): string {
    const sequence = this.#nextId++
    const bytes = clientRequest('client', sequence, size)
    for (const id of to) this.give(this.node(id), bytes)
    return nameOf(bytes)
  }

  /** A request reaches a node; what was executed there is known and ignored. */
  give(node: Node, bytes: Uint8Array): void {
    const name = nameOf(bytes)
    if (!node.up || node.pool.has(name) || this.watch.isExecuted(node.id, name)) return
    node.pool.set(name, { bytes, sinceMs: this.nowMs })
    this.#demand(node)
    this.later(node, FORWARD_AFTER_MS, () => this.#forward(node, name))
    this.#propose(node)
  }

  /** True when every honest node that is up has executed it. */
  executedBy(name: string, nodes: readonly Node[] = this.honest.filter((node) => node.up)): boolean {
    return nodes.every((node) => this.watch.isExecuted(node.id, name))
  }

  read(node: Node): number {
    const id = this.#nextId++
    this.#reads.set(id, 'open')
    this.step(node, { type: 'read', readId: readId(id), lease: false })
    return id
  }

  /** The index at which a read was served; undefined while open or refused. */
  readIndex(id: number): number | undefined {
    const found = this.#reads.get(id)
    return found === 'open' ? undefined : found
  }

  order(node: Node, target: readonly TargetMember[]): number {
    const orderId = this.#nextId++
    const { membership, epoch } = node.core.status()
    const planned = membership.index
    const authority = changeAuthority(ADMIN, { epoch, planned }, target)
    this.step(node, { type: 'order', orderId, order: { kind: 'changeMembership', planned, target, authority } })
    return orderId
  }

  rotate(node: Node, target: NodeId | null = null): number {
    const orderId = this.#nextId++
    this.step(node, { type: 'order', orderId, order: { kind: 'transferLeadership', target } })
    return orderId
  }

  override crash(node: Node): void {
    if (!node.up) return
    this.counts.crashes++
    this.end(node)
    node.disk.executed = [...node.disk.states.keys()].reduce(
      (best, index) => {
        return index <= node.executed && index > best && this.random() < 0.9 ? index : best
      },
      Math.min(node.disk.base.index, node.executed),
    )
  }

  /** Of a node that is down: the applied state and the snapshots are gone, as after a divergence that all of them shared. */
  loseState({ disk }: Node): void {
    disk.states.clear()
    this.loseSnapshots({ disk })
    disk.stateLost = true
  }

  /** Their files are gone, or are set aside because they are damaged. */
  loseSnapshots({ disk }: Pick<Node, 'disk'>): void {
    disk.snapshot = null
    disk.files = []
  }

  /** Of a node that is down: its log ends here, and what it promised last is what this record says. */
  damage({ disk }: Node, lastIndex: number, safety: Uint8Array | null): void {
    disk.entries.splice(Math.max(0, lastIndex - disk.base.index))
    disk.pending = []
    disk.safety = safety
    disk.damaged = true
  }

  restart(node: Node): Node {
    if (node.up) return node
    const fresh = this.#boot(node.id, node.disk, node.life, node.wallOffsetMs, node.pool)
    this.nodes.set(node.id, fresh)
    for (const name of fresh.pool.keys()) this.later(fresh, FORWARD_AFTER_MS, () => this.#forward(fresh, name))
    this.#demand(fresh)
    return fresh
  }

  /** A snapshot of the state at a checkpoint index that was executed; the log begins `trailing` before it. */
  snapshot(node: Node, index: number, trailing = 0): void {
    const entry = node.disk.entry(index)
    const state = node.disk.states.get(index)
    if (!node.up || entry === undefined || state === undefined) throw new Error(`${node.id} has no state at ${index}`)
    const base = { ...positionOf(entry), membership: configurationAt(this.watch.log, index) }
    const id = sha256(Buffer.concat([state, entry.chain]))
    const snapshot = { base, id, bytes: 1 }
    this.#snapshots.set(hex(id), { state })
    node.disk.snapshot = snapshot
    node.disk.files.push(id)
    const kept = node.disk.entry(index - trailing)
    this.step(node, { type: 'snapshotTaken', snapshot, compactTo: kept === undefined ? null : positionOf(kept) })
  }

  /** A message arrives as if from this link; whatever the sender signed. */
  inject(from: NodeId, to: NodeId, message: ProtocolMessage): void {
    this.#deliver(from, this.node(to), message)
  }

  override step(node: Node, input: Input): void {
    if (!node.up) return
    const effects = node.core.step(input, this.#now(node.wallOffsetMs))
    for (const effect of effects) this.#perform(node, effect)
    this.startWrite(node)
    if (input.type !== 'propose' && input.type !== 'demand') this.#propose(node)
  }

  protected override tick(node: Node): void {
    this.#propose(node)
    const due = node.core.deadline()
    if (due !== undefined && due <= this.nowMs) this.step(node, { type: 'tick' })
  }

  #now(wallOffsetMs: number): Now {
    return { monotonicMs: this.nowMs, wallMs: Math.floor(this.nowMs + 1_000_000 + wallOffsetMs) }
  }

  #boot(id: NodeId, disk: ByzantineDisk, life: number, wallOffsetMs: number, pool: Map<string, Request>): Node {
    this.#loadState(id, disk)
    // A new state store is empty; an index without its state is executed again from the log.
    const executed = disk.states.has(disk.executed) ? disk.executed : disk.base.index
    disk.executed = executed
    const restored = disk.restored(Number.POSITIVE_INFINITY)
    const core = this.options.makeCore({
      self: id,
      membership: this.options.membership,
      sign: this.watch.signer(id, signAs(id)),
      random: this.random,
      restored,
      now: this.#now(wallOffsetMs),
    })
    const node: Node = {
      id,
      disk,
      core,
      life,
      ...justStarted(),
      commit: executed,
      executed,
      state: disk.states.get(executed) ?? new Uint8Array(32),
      pool: new Map([...pool].filter(([name]) => !this.watch.isExecuted(id, name))),
      inFlight: new Set(),
      restoring: null,
      fetching: null,
      wallOffsetMs,
      verifiedAtMs: new Map(),
      demandMs: null,
    }
    // What was decided before the restart is applied again from the log.
    if (restored.lastIndex > executed) this.later(node, 0, () => this.#apply(node, core.status().commitIndex))
    return node
  }

  /** A log that begins behind a snapshot, and was not applied so far: what opens the disk takes the state from there. */
  #loadState(id: NodeId, disk: ByzantineDisk): void {
    const { base, snapshot, states, stateLost } = disk
    const held =
      snapshot !== null && snapshot.base.index === base.index ? this.#snapshots.get(hex(snapshot.id)) : undefined
    if (held === undefined || stateLost || disk.executed >= base.index) return
    states.set(base.index, held.state)
    disk.executed = base.index
    this.watch.restored(id, base.index)
  }

  #perform(node: Node, effect: Effect): void {
    if (effect.type !== 'send' && effect.type !== 'store') this.seen.push({ node: node.id, effect })
    switch (effect.type) {
      case 'send':
        this.send(node, effect)
        return
      case 'store':
        node.writes.push(effect)
        return
      case 'load':
        this.load(node, effect, LOAD_ENTRIES_MAX)
        return
      case 'commit':
        this.watch.committed(node, effect.upTo)
        node.commit = effect.upTo
        this.later(node, this.random() * 3, () => this.#apply(node, effect.upTo))
        return
      case 'proposed':
        this.counts.proposed++
        return
      case 'readReady':
        this.#reads.set(effect.readId, effect.index)
        return
      case 'roleChanged':
        node.inFlight.clear()
        return
      case 'fetchSnapshot':
        this.#fetch(node, effect)
        return
      case 'restoreState':
        node.restoring = { snapshot: effect.snapshot, after: effect.after }
        return
      case 'repaired':
        node.disk.damaged = false
        return
      case 'evidence':
        this.watch.accused(effect.evidence, this.options.membership)
        return
      default:
    }
  }

  protected override transmit(node: Node, { to, message }: Sent): void {
    this.watch.released(node.id, message)
    for (const sent of this.intercept(node.id, to, message) ?? [message]) {
      const copies = this.random() < this.faults.duplicate ? 2 : 1
      for (let copy = 0; copy < copies; copy++) {
        if (this.random() < this.faults.drop) continue
        // Most messages are quick, some are very late: delayed across views and restarts.
        const slow = this.faults.drop > 0 && this.random() < 0.02 ? 50 : 1
        this.queue.at(this.nowMs + 0.1 + this.random() * this.faults.delayMaxMs * slow, () => {
          if (this.cut.has(`${node.id}>${to}`)) return
          const target = this.nodes.get(to)
          if (target !== undefined) this.#deliver(node.id, target, sent)
        })
      }
    }
  }

  /** Ingress: interest, checks, then the step; messages of one link stay in order. */
  #deliver(from: NodeId, node: Node, message: ProtocolMessage): void {
    if (!node.up) return
    this.counts.delivered++
    this.onDeliver(from, node.id, message)
    const interest = node.core.interest(from, message)
    if (interest === 'drop') {
      this.counts.dropped++
      return
    }
    const configHash = node.core.configHash()
    if (interest === 'verify') {
      const checks = node.core.checks(from, message)
      this.counts.verified += checks?.length ?? 0
      if (checks === null || !checks.every(holds)) {
        this.rejected.push({ from, to: node.id, type: message.type })
        this.step(node, { type: 'invalid', from, reason: checks === null ? 'unsound' : 'signature', message })
        return
      }
    }
    const step = (): void => {
      this.#markInFlight(node, message)
      this.step(node, { type: 'message', from, configHash, message })
    }
    const readyMs = Math.max(this.nowMs + this.random() * this.faults.verifyMaxMs, node.verifiedAtMs.get(from) ?? 0)
    if (readyMs <= this.nowMs) return step()
    node.verifiedAtMs.set(from, readyMs)
    this.later(node, readyMs - this.nowMs, step)
  }

  #markInFlight(node: Node, message: ProtocolMessage): void {
    const body = this.options.bodyOf(message)
    if (body !== null) forEachRequest(body, (start, end) => node.inFlight.add(nameOf(body.subarray(start, end))))
  }

  #propose(node: Node): void {
    if (!node.up || !node.core.mayPropose()) return
    const ready = [...node.pool].filter(([name]) => !node.inFlight.has(name)).slice(0, this.options.batchMax ?? 4)
    if (ready.length === 0) return
    for (const [name] of ready) node.inFlight.add(name)
    const body = encodeBody(ready.map(([, request]) => request.bytes))
    const batchDigest = computeBatchDigest(sha256, 'data', body)
    this.step(node, { type: 'propose', proposalId: this.#nextId++, kind: 'data', body, batchDigest })
  }

  #forward(node: Node, name: string): void {
    const request = node.pool.get(name)
    const { leader } = node.core.status()
    if (request === undefined) return
    for (const target of leader === null ? this.nodes.keys() : [leader]) {
      if (!this.cut.has(`${node.id}>${target}`)) this.give(this.node(target), request.bytes)
    }
    this.later(node, FORWARD_AFTER_MS, () => this.#forward(node, name))
  }

  #demand(node: Node): void {
    const oldest = node.pool.values().next().value?.sinceMs ?? null
    if (oldest === node.demandMs) return
    node.demandMs = oldest
    this.step(node, { type: 'demand', waitingSinceMs: oldest })
  }

  #apply(node: Node, upTo: number): void {
    const digests: { readonly index: number; readonly digest: Uint8Array }[] = []
    const before = node.executed
    while (node.executed < upTo && node.restoring === null && !node.disk.stateLost) {
      const entry = node.disk.entry(node.executed + 1)
      if (entry === undefined) throw new Error(`${node.id} has no entry ${node.executed + 1} to apply`)
      this.#execute(node, entry)
      const { checkpointInterval } = this.options
      const isCompared = entry.index % checkpointInterval === 0 || entry.kind === 'membership' || entry.kind === 'mode'
      if (isCompared) digests.push({ index: entry.index, digest: node.state })
    }
    this.#demand(node)
    if (node.executed > before)
      this.step(node, { type: 'executed', upTo: logIndex(node.executed), stateDigest: null, resultRoot: null })
    for (const { index, digest } of digests) {
      this.step(node, { type: 'executed', upTo: logIndex(index), stateDigest: digest, resultRoot: null })
    }
  }

  #execute(node: Node, entry: Entry): void {
    this.counts.executed++
    const names = namesIn(entry)
    node.state = sha256(Buffer.concat([node.state, entry.chain]))
    node.executed = entry.index
    node.disk.states.set(entry.index, node.state)
    this.watch.executed(node.id, entry, node.state)
    this.onExecute(node.id, entry)
    for (const name of names) {
      node.pool.delete(name)
      node.inFlight.delete(name)
    }
  }

  #fetch(node: Node, { from, snapshot, stateDigest }: Extract<Effect, { type: 'fetchSnapshot' }>): void {
    const key = `${from}/${hex(snapshot.id)}`
    if (node.fetching === key) return
    node.fetching = key
    this.later(node, this.random() * 20, () => {
      node.fetching = null
      if (this.cut.has(`${from}>${node.id}`) || this.nodes.get(from)?.up !== true) return
      const isThere = this.node(from).disk.files.some((id) => hex(id) === hex(snapshot.id))
      if (!isThere && !this.lyingDonors.has(from))
        return this.step(this.node(from), { type: 'snapshotGone', id: snapshot.id })
      const held = this.#snapshots.get(hex(snapshot.id))
      const isTrue = held !== undefined && !this.lyingDonors.has(from) && stateDigest !== null
      if (!isTrue || !Buffer.from(held.state).equals(stateDigest)) {
        this.step(node, { type: 'snapshotRejected', from, id: snapshot.id })
        return
      }
      node.disk.files.push(snapshot.id)
      if (node.disk.snapshot === null || node.disk.snapshot.base.index < snapshot.base.index)
        node.disk.snapshot = snapshot
      this.step(node, { type: 'snapshotFetched', snapshot })
    })
  }

  protected override written(node: Node): void {
    if (node.restoring === null || node.restoring.after > node.durable) return
    const { snapshot } = node.restoring
    node.restoring = null
    node.disk.stateLost = false
    this.counts.installs++
    node.executed = snapshot.base.index
    node.state = (this.#snapshots.get(hex(snapshot.id)) as { state: Uint8Array }).state
    node.disk.states.set(node.executed, node.state)
    node.commit = Math.max(node.commit, node.executed)
    this.watch.restored(node.id, node.executed)
    for (const name of [...node.pool.keys()]) if (this.watch.isExecuted(node.id, name)) node.pool.delete(name)
    this.#demand(node)
    this.later(node, 0, () => this.#apply(node, node.commit))
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
