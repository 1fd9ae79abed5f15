/**
 * One run of a simulation, from the first start of a cluster to its verdict, in phases as TigerBeetle's
 * VOPR has them: safety under faults that spare nobody; then a random majority is healed while the
 * others stay broken, and it must serve; then all are healed, and must come to one state. What the
 * clients saw is judged at the end.
 */
import type { Sha256 } from '../consensus/entry.js'
import { Auditor } from './auditor.js'
import { ByzantineRules } from './byzantine/rules.js'
import { SimulatedCluster } from './cluster.js'
import { clusterOptionsOf } from './cluster-of-plan.js'
import type { FaultCounts } from './fault-counts.js'
import { FaultDriver } from './faults.js'
import { formatHistory, type HistoryOperation } from './history.js'
import { HistoryRecorder } from './history-recorder.js'
import { checkLinearizability } from './linearizability.js'
import type { SimulatedNode } from './node.js'
import { Observer } from './observer.js'
import { Operator } from './operator.js'
import { FAULTS_MAX_MS, type RunPlan } from './plan.js'
import { type PlanChoice, planOf } from './plan-choice.js'
import { RaftRules } from './raft-rules.js'
import { SeededRandom } from './random.js'
import type { RunRules } from './run-rules.js'
import type { TraceEvent } from './trace.js'
import { checkTraffic } from './traffic-rule.js'
import { InvariantViolation } from './violation.js'
import { WorkloadClient } from './workload-client.js'

export interface SeedOptions extends PlanChoice {
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
  /** Null where the protocol has no views. */
  readonly viewChanges: number | null
  /** Epochs that a hybrid entered after its first; null where one protocol runs. */
  readonly switches: number | null
  /** Members and clients signed with Ed25519, not with the keyed hash of the simulation. */
  readonly realSignatures: boolean
  readonly simulatedMs: number
  readonly history: readonly HistoryOperation[]
}

const COMMITS_TO_COUNT = 200
const EPISODES_MIN = 5
const OPERATIONS_TO_SERVE = 3
/** A history of one seed is short: what takes longer than this is not going to be decided. */
const STATES_MAX = 200_000

/** Streams of chance beside those of the network (0), the nodes (1 …) and the plan. */
const STREAM = { reader: 1002, stubborn: 1003, operator: 1004, administrator: 1006, clients: 1100 } as const
const STUBBORN_THINK_MS = 10

export function runSeed({ sha256, onTrace, ...choice }: SeedOptions): Promise<SeedResult> {
  return runPlan({ plan: planOf(choice), sha256, ...(onTrace === undefined ? {} : { onTrace }) })
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
  readonly #rules: RunRules
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
    this.#cluster = new SimulatedCluster({
      ...clusterOptionsOf(plan),
      sha256,
      ...(onTrace === undefined ? {} : { onTrace }),
    })
    const cluster = this.#cluster
    const byzantine = plan.protocol === 'raft' ? null : new ByzantineRules(cluster, plan)
    this.#rules = byzantine ?? new RaftRules(cluster)
    this.#recorder = new HistoryRecorder(cluster.queue)
    this.#driver = new FaultDriver(cluster, plan.faults, this.#rules, byzantine?.liars ?? null)
    this.#auditor = new Auditor(cluster, this.#rules.invariants)
    this.#observer = cluster.trace === null ? null : new Observer(cluster, cluster.trace)
    const { aimed, switching } = this.#driver
    if (byzantine !== null) byzantine.onSwitchSteps = (node, steps) => switching.reached(node, steps)
    this.#keys = Array.from({ length: plan.keys }, (_, at) => `k${at}`)
    this.#clients = Array.from({ length: plan.clients }, (_, at) =>
      this.#client(`c${at}`, STREAM.clients + at, plan.thinkMaxMs, () => aimed.writesAt),
    )
    this.#operator = new Operator(cluster, new SeededRandom(plan.seed, STREAM.operator))
    this.#stubborn = this.#client('stubborn', STREAM.stubborn, STUBBORN_THINK_MS, () => aimed.readsAt)
    const administrator = this.#client('administrator', STREAM.administrator, 0, () => null)
    switching.onClearThreat = (node) => administrator.administer({ type: 'ClearThreat', node })
    aimed.onMoved = () => {
      for (const { exchange } of this.#clients) exchange.moveOn()
    }
  }

  async run(): Promise<void> {
    const { seed, nodes } = this.#plan
    this.#cluster.trace?.emit('run', null, { seed, nodes })
    await this.#cluster.start()
    await this.#until('aLeaderAtFirst', this.#rules.limitsMs.lead, () => this.#cluster.leader() !== null)
    for (const client of this.#clients) client.start()
    // Where members may lie no read is aimed at one of them: all are ordered.
    if (this.#plan.protocol === 'raft') this.#stubborn.start()
    this.#auditor.start()
    await this.#misbehave()
    await this.#serveWithMajority()
    await this.#converge()
    this.#isComplete = this.#judge()
  }

  result(violation: SeedResult['violation']): SeedResult {
    if (violation !== null) this.#cluster.trace?.emit('violation', null, violation)
    const { commits, leaderChanges, viewChanges, switches } = this.#rules.invariants
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
      viewChanges,
      switches,
      realSignatures: this.#plan.realSignatures,
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
    const isEnough = () => this.#rules.invariants.commits >= commitsMin && this.#driver.episodes >= episodesMin
    await this.#pass(FAULTS_MAX_MS, () => queue.nowMs >= untilMs && isEnough())
    this.#driver.stop()
    this.#stubborn.stop()
    this.#operator.stop()
    this.#rules.settle()
  }

  /** A random majority is healed, the rest is left as broken as can be: every client must be served. */
  async #serveWithMajority(): Promise<void> {
    const { nodes, trace } = this.#cluster
    trace?.emit('phase', null, { phase: 'majority' })
    const ordered = this.#plan.healing.map((at) => nodes[at] as SimulatedNode)
    const core = this.#rules.coreOf(ordered)
    this.#driver.healNetwork()
    this.#driver.keepUp(core)
    const broken = ordered.filter((node) => !core.includes(node))
    broken.forEach((node, at) => this.#leaveBroken(node, this.#plan.left[at] ?? 0, core))
    const before = this.#clients.map((client) => client.completed)
    const isServed = (client: WorkloadClient, at: number) =>
      client.completed >= (before[at] as number) + OPERATIONS_TO_SERVE
    const rules = this.#rules
    let { version } = rules
    await this.#until('aMajorityServes', rules.limitsMs.serve, () => {
      if (rules.version !== version && !rules.isQuorum(core.map(({ id }) => id))) {
        // A change that was on its way has made others necessary.
        this.#driver.healNetwork()
        this.#driver.keepUp(broken)
      }
      version = rules.version
      return this.#clients.every(isServed)
    })
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
    const areIdle = () => this.#stubborn.isIdle && this.#clients.every((client) => client.isIdle)
    const { limitsMs } = this.#rules
    await this.#until(
      'allConverge',
      limitsMs.converge,
      () => areIdle() && this.#rules.isConverged(this.#auditor.digestIndexes),
    )
    // A removed node that was never told waits for a leader in vain.
    const reader = this.#client('reader', STREAM.reader, 0, () => this.#cluster.leader() ?? null)
    for (const key of this.#keys) {
      let isRead = false
      reader.readOnce(key, () => {
        isRead = true
      })
      await this.#until('everyKeyIsReadable', limitsMs.serve, () => isRead)
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
      this.#rules.invariants.check()
      this.#driver.look()
      checkTraffic(this.#cluster.network)
      return done()
    })
  }

  async #until(invariant: string, limitMs: number, done: () => boolean): Promise<void> {
    if (await this.#pass(limitMs, done)) return
    throw new InvariantViolation(invariant, `not within ${limitMs} simulated milliseconds: ${this.#rules.describe()}`)
  }

  #client(name: string, stream: number, thinkMaxMs: number, prefers: () => SimulatedNode | null): WorkloadClient {
    const { invariants } = this.#rules
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
        const floor = invariants.acknowledgedMax
        return (index) => invariants.read(index, floor)
      },
      onAcknowledged: (index) => {
        invariants.acknowledged(index)
        this.#driver.aimed.acknowledged()
      },
      onSigned: (request) => this.#rules.issued(request),
      onAnswer: (by, request, payload) => this.#rules.answered(by, request, payload),
      onNonsense: (detail) => {
        throw new InvariantViolation('answersMakeSense', detail)
      },
    })
  }
}
