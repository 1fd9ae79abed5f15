/**
 * One run of a simulation, from the first start of a cluster to its verdict, in phases as TigerBeetle's
 * VOPR has them: safety under faults that spare nobody; then a random majority is healed while the
 * others stay broken, and it must serve; then all are healed, and must come to one state. What the
 * clients saw is judged at the end.
 */
import type { Sha256 } from '../consensus/entry.js'
import { Auditor } from './auditor.js'
import { SimulatedCluster } from './cluster.js'
import type { FaultCounts } from './fault-counts.js'
import { FaultDriver } from './faults.js'
import { formatHistory, type HistoryOperation } from './history.js'
import { HistoryRecorder } from './history-recorder.js'
import { Invariants } from './invariants.js'
import { checkLinearizability } from './linearizability.js'
import { isMajority } from './member-rules.js'
import { checkMessage } from './message-rules.js'
import type { SimulatedNode } from './node.js'
import { Observer } from './observer.js'
import { Operator } from './operator.js'
import { FAULTS_MAX_MS, planRun, type RunPlan } from './plan.js'
import { SeededRandom } from './random.js'
import type { TraceEvent } from './trace.js'
import { InvariantViolation } from './violation.js'
import { WorkloadClient } from './workload-client.js'

export interface SeedOptions {
  readonly seed: number
  readonly nodes: number
  readonly sha256: Sha256
  readonly onTrace?: (event: TraceEvent) => void
}

export interface SeedResult {
  readonly seed: number
  readonly nodes: number
  /** At least 200 commits, 5 faults, the liveness phases and a verdict on the history: less shows too little. */
  readonly counted: boolean
  readonly violation: { readonly invariant: string; readonly detail: string } | null
  readonly commits: number
  readonly faults: FaultCounts
  readonly leaderChanges: number
  readonly snapshotInstalls: number
  readonly simulatedMs: number
  readonly history: readonly HistoryOperation[]
}

const COMMITS_TO_COUNT = 200
const EPISODES_MIN = 5
const SERVE_WITHIN_MS = 30_000
const CONVERGE_WITHIN_MS = 30_000
const OPERATIONS_TO_SERVE = 3
/** A history of one seed is short: what takes longer than this is not going to be decided. */
const STATES_MAX = 200_000

/** Streams of chance beside those of the network (0), the nodes (1 …) and the plan. */
const STREAM = { reader: 1002, stubborn: 1003, operator: 1004, clients: 1100 } as const
const STUBBORN_THINK_MS = 10

export function runSeed({ seed, nodes, ...rest }: SeedOptions): Promise<SeedResult> {
  return runPlan({ plan: planRun(seed, nodes), ...rest })
}

export interface RunOptions {
  readonly plan: RunPlan
  readonly sha256: Sha256
  /** Gets every event of the run. */
  readonly onTrace?: (event: TraceEvent) => void
}

/** Runs a plan; the same plan comes to the same result. */
export async function runPlan(options: RunOptions): Promise<SeedResult> {
  const run = new SimulationRun(options)
  let violation: SeedResult['violation'] = null
  try {
    await run.run()
  } catch (error) {
    violation =
      error instanceof InvariantViolation
        ? { invariant: error.invariant, detail: error.message }
        : { invariant: 'noException', detail: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  return run.result(violation)
}

class SimulationRun {
  readonly #plan: RunPlan
  readonly #cluster: SimulatedCluster
  readonly #invariants: Invariants
  readonly #recorder: HistoryRecorder
  readonly #driver: FaultDriver
  readonly #auditor: Auditor
  readonly #observer: Observer | null
  readonly #keys: readonly string[]
  readonly #clients: readonly WorkloadClient[]
  /** Reads where an aimed fault wants it to. */
  readonly #stubborn: WorkloadClient
  readonly #operator: Operator
  #isComplete = false

  constructor({ plan, sha256, onTrace }: RunOptions) {
    this.#plan = plan
    const {
      seed,
      nodes,
      spares,
      leaseDriftMs,
      electionTimeoutMaxMs,
      clockSpeeds,
      flushIntervalMs,
      tailEntriesMax,
      messageEntriesMax,
      segmentBytesMax,
    } = plan
    const { snapshotEntries, trailingEntries, snapshotPieceBytes } = plan
    this.#cluster = new SimulatedCluster({
      seed,
      nodes,
      spares,
      settings: { electionTimeoutMaxMs, leaseDriftMs: leaseDriftMs === 0 ? null : leaseDriftMs },
      clockSpeeds,
      sha256,
      limits: {
        digestInterval: 50,
        flushIntervalMs,
        idleMs: 400,
        snapshotEntries,
        trailingEntries,
        snapshotPieceBytes,
        snapshotRetryMs: 200,
      },
      coreLimits: { raft: { tailEntriesMax, messageEntriesMax } },
      segmentBytesMax,
      ...(onTrace === undefined ? {} : { onTrace }),
    })
    const cluster = this.#cluster
    this.#invariants = new Invariants(cluster.nodes)
    this.#recorder = new HistoryRecorder(cluster.queue)
    this.#driver = new FaultDriver(cluster, plan.faults, this.#invariants)
    this.#auditor = new Auditor(cluster, this.#invariants)
    this.#observer = cluster.trace === null ? null : new Observer(cluster, cluster.trace)
    const { aimed } = this.#driver
    this.#keys = Array.from({ length: plan.keys }, (_, at) => `k${at}`)
    this.#clients = Array.from({ length: plan.clients }, (_, at) =>
      this.#client(`c${at}`, STREAM.clients + at, plan.thinkMaxMs, () => aimed.writesAt),
    )
    this.#operator = new Operator(cluster, new SeededRandom(seed, STREAM.operator))
    this.#stubborn = this.#client('stubborn', STREAM.stubborn, STUBBORN_THINK_MS, () => aimed.readsAt)
    aimed.onMoved = () => {
      for (const { exchange } of this.#clients) exchange.moveOn()
    }
    cluster.network.onSend = (from, to, message) => {
      const sender = cluster.node(from)
      try {
        checkMessage(sender, to, message)
      } catch (error) {
        // Thrown inside the node it would be the node's own failure.
        if (!(error instanceof InvariantViolation)) throw error
        sender.broken ??= error
      }
    }
  }

  async run(): Promise<void> {
    const { seed, nodes } = this.#plan
    this.#cluster.trace?.emit('run', null, { seed, nodes })
    await this.#cluster.start()
    await this.#until('aLeaderAtFirst', SERVE_WITHIN_MS, () => this.#cluster.leader() !== null)
    for (const client of this.#clients) client.start()
    this.#stubborn.start()
    this.#auditor.start()
    await this.#misbehave()
    await this.#serveWithMajority()
    await this.#converge()
    this.#isComplete = this.#judge()
  }

  result(violation: SeedResult['violation']): SeedResult {
    if (violation !== null) this.#cluster.trace?.emit('violation', null, violation)
    const { commits, leaderChanges } = this.#invariants
    const faults = this.#driver.counts()
    for (const { exchange } of this.#clients) faults.drop += exchange.answersLost
    return {
      seed: this.#plan.seed,
      nodes: this.#plan.nodes,
      counted: this.#isComplete && commits >= COMMITS_TO_COUNT && this.#driver.episodes >= EPISODES_MIN,
      violation,
      commits,
      faults,
      leaderChanges,
      // Counted where snapshots are received.
      snapshotInstalls: this.#cluster.network.snapshotInstalls,
      simulatedMs: this.#cluster.queue.nowMs,
      history: this.#recorder.history(),
    }
  }

  /** Faults for a while, and until enough has been committed under them. */
  async #misbehave(): Promise<void> {
    const { queue, trace } = this.#cluster
    const { faultsForMs, commitsMin, faults } = this.#plan
    trace?.emit('phase', null, { phase: 'faults' })
    this.#driver.start()
    this.#operator.start()
    const untilMs = queue.nowMs + faultsForMs
    const episodesMin = Math.min(EPISODES_MIN, faults.length)
    const isEnough = () => this.#invariants.commits >= commitsMin && this.#driver.episodes >= episodesMin
    await this.#pass(FAULTS_MAX_MS, () => queue.nowMs >= untilMs && isEnough())
    this.#driver.stop()
    this.#stubborn.stop()
    this.#operator.stop()
  }

  /** A random majority is healed, the rest is left as broken as can be: every client must be served. */
  async #serveWithMajority(): Promise<void> {
    const { nodes, trace } = this.#cluster
    trace?.emit('phase', null, { phase: 'majority' })
    const ordered = this.#plan.healing.map((at) => nodes[at] as SimulatedNode)
    const core = this.#majorityOf(ordered)
    this.#driver.healNetwork()
    for (const node of core) this.#driver.repair(node)
    const broken = ordered.filter((node) => !core.includes(node))
    broken.forEach((node, at) => this.#leaveBroken(node, this.#plan.left[at] ?? 0, core))
    const before = this.#clients.map((client) => client.completed)
    const isServed = (client: WorkloadClient, at: number) =>
      client.completed >= (before[at] as number) + OPERATIONS_TO_SERVE
    const { members } = this.#invariants
    let { version } = members
    await this.#until('aMajorityServes', SERVE_WITHIN_MS, () => {
      if (members.version !== version && !members.isQuorum(core.map(({ id }) => id))) {
        // A change that was on its way has made others necessary.
        this.#driver.healNetwork()
        for (const node of broken) this.#driver.repair(node)
      }
      version = members.version
      return this.#clients.every(isServed)
    })
  }

  /** As few as decide under every configuration that may be in force. */
  #majorityOf(ordered: readonly SimulatedNode[]): SimulatedNode[] {
    const core: SimulatedNode[] = []
    const groups = this.#invariants.members.groups()
    for (const node of ordered) {
      // What a disk has lost no healing brings back: such a node counts among the broken ones.
      if (node.isDamaged || node.astraySince !== null || node.isRebuilding) continue
      const ids = core.map(({ id }) => id)
      if (groups.some((group) => group.includes(node.id) && !isMajority(group, ids))) core.push(node)
    }
    const ids = core.map(({ id }) => id)
    // The members have changed since a disk was damaged, and nobody decides without that node: it takes all.
    return groups.every((group) => isMajority(group, ids)) ? core : [...ordered]
  }

  #leaveBroken(node: SimulatedNode, how: number, core: readonly SimulatedNode[]): void {
    const { network } = this.#cluster
    if (how === 0) this.#driver.crash(node, 'power')
    for (const { id } of core) {
      // Cut off, deaf or mute.
      if (how !== 2) network.cut(id, node.id)
      if (how !== 3) network.cut(node.id, id)
    }
  }

  /** Everything is healed: all members that have a disk are whole and vote, no change is left half done, they reach the same index and digest, and every key can be read. */
  async #converge(): Promise<void> {
    const { trace } = this.#cluster
    trace?.emit('phase', null, { phase: 'converge' })
    for (const client of this.#clients) client.stop()
    this.#driver.allHealed()
    const isCaughtUp = (node: SimulatedNode) => node.running?.loop.machine.appliedIndex === this.#invariants.commits
    const isWhole = (node: SimulatedNode) => !node.isDamaged && node.astraySince === null
    const isAtEnd = (node: SimulatedNode) =>
      node.isWiped ||
      (isCaughtUp(node) && isWhole(node) && this.#auditor.digestIndexes.get(node) === this.#invariants.commits)
    const areMembersAtEnd = () => {
      const status = this.#cluster.leader()?.running?.core.status()
      if (status === undefined || !status.membershipCommitted || status.membership.membership.joint) return false
      return status.membership.membership.members.every(({ id }) => isAtEnd(this.#cluster.node(id)))
    }
    const areIdle = () => this.#stubborn.isIdle && this.#clients.every((client) => client.isIdle)
    await this.#until('allConverge', CONVERGE_WITHIN_MS, () => areIdle() && areMembersAtEnd())
    // A removed node that was never told waits for a leader in vain.
    const reader = this.#client('reader', STREAM.reader, 0, () => this.#cluster.leader() ?? null)
    for (const key of this.#keys) {
      let isRead = false
      reader.readOnce(key, () => {
        isRead = true
      })
      await this.#until('everyKeyIsReadable', SERVE_WITHIN_MS, () => isRead)
    }
    if (reader.completed !== this.#keys.length)
      throw new InvariantViolation('everyKeyIsReadable', 'a read was given up')
  }

  /** False when the history was too hard to judge: such a run shows nothing. */
  #judge(): boolean {
    const judged = checkLinearizability(this.#recorder.history(), { statesMax: STATES_MAX })
    if (judged.verdict === 'violation')
      throw new InvariantViolation('linearizability', `key ${judged.key}\n${formatHistory(judged.window)}`)
    return judged.verdict === 'ok'
  }

  /** Lets time pass and looks after every event. True as soon as `done`. */
  #pass(limitMs: number, done: () => boolean): Promise<boolean> {
    return this.#cluster.run(limitMs, () => {
      this.#observer?.look()
      this.#invariants.check()
      this.#driver.look()
      return done()
    })
  }

  async #until(invariant: string, limitMs: number, done: () => boolean): Promise<void> {
    if (await this.#pass(limitMs, done)) return
    const nodes = this.#cluster.nodes.map((node) => {
      const status = node.running?.core.status()
      return status === undefined
        ? `${node.id} is down`
        : `${node.id} ${status.role} of term ${status.term}, log ${status.firstIndex} … ${status.lastIndex}, commit ${status.commitIndex}, members of ${status.membership.index}${status.mayVote ? '' : ', may not vote'}`
    })
    const groups = this.#invariants.members.groups().map((group) => group.join(' '))
    nodes.push(`a majority of each of: ${groups.join(' | ')}`)
    throw new InvariantViolation(invariant, `not within ${limitMs} simulated milliseconds: ${nodes.join('; ')}`)
  }

  #client(name: string, stream: number, thinkMaxMs: number, prefers: () => SimulatedNode | null): WorkloadClient {
    return new WorkloadClient({
      cluster: this.#cluster,
      recorder: this.#recorder,
      random: new SeededRandom(this.#plan.seed, stream),
      name,
      keys: this.#keys,
      thinkMaxMs,
      onlyReads: name === 'stubborn',
      hasLeases: this.#plan.leaseDriftMs > 0,
      isQuiet: () => name !== 'stubborn' && this.#driver.aimed.isQuiet,
      prefers,
      trace: this.#cluster.trace,
      onRead: () => {
        const floor = this.#invariants.acknowledgedMax
        return (index) => this.#invariants.read(index, floor)
      },
      onAcknowledged: (index) => {
        this.#invariants.acknowledged(index)
        this.#driver.aimed.acknowledged()
      },
      onNonsense: (detail) => {
        throw new InvariantViolation('answersMakeSense', detail)
      },
    })
  }
}
