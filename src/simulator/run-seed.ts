/**
 * One seed of a simulation, from the first start of a cluster to its verdict, in phases as TigerBeetle's
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
import { Invariants, InvariantViolation } from './invariants.js'
import { checkLinearizability } from './linearizability.js'
import type { SimulatedNode } from './node.js'
import { SeededRandom } from './random.js'
import { WorkloadClient } from './workload-client.js'

export interface SeedOptions {
  readonly seed: number
  readonly nodes: number
  readonly sha256: Sha256
}

export interface SeedResult {
  readonly seed: number
  /** At least 200 commits, 5 faults, the liveness phases and a verdict on the history: less shows too little. */
  readonly counted: boolean
  readonly violation: { readonly invariant: string; readonly detail: string } | null
  readonly commits: number
  readonly faults: FaultCounts
  readonly leaderChanges: number
  readonly simulatedMs: number
  readonly history: readonly HistoryOperation[]
}

const COMMITS_MIN = 200
const EPISODES_MIN = 5
const FAULTS_MAX_MS = 60_000
const SERVE_WITHIN_MS = 30_000
const CONVERGE_WITHIN_MS = 30_000
const OPERATIONS_TO_SERVE = 3
/** A history of one seed is short: what takes longer than this is not going to be decided. */
const STATES_MAX = 200_000

/** Streams of chance beside those of the network (0) and the nodes (1 …). */
const STREAM = { plan: 1000, faults: 1001, reader: 1002, clients: 1100 } as const

export async function runSeed(options: SeedOptions): Promise<SeedResult> {
  const run = new SeedRun(options)
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

class SeedRun {
  readonly #options: SeedOptions
  readonly #plan: SeededRandom
  readonly #cluster: SimulatedCluster
  readonly #invariants: Invariants
  readonly #recorder: HistoryRecorder
  readonly #driver: FaultDriver
  readonly #auditor: Auditor
  readonly #keys: readonly string[]
  readonly #clients: readonly WorkloadClient[]
  #isComplete = false

  constructor(options: SeedOptions) {
    const { seed, nodes, sha256 } = options
    this.#options = options
    this.#plan = new SeededRandom(seed, STREAM.plan)
    const plan = this.#plan
    this.#cluster = new SimulatedCluster({
      seed,
      nodes,
      sha256,
      // Small, so that what happens once an hour in production happens in every run.
      limits: { digestInterval: 50, flushIntervalMs: plan.pick([200, 1000, 5000]), idleMs: 400 },
      raftLimits: plan.chance(0.5) ? { tailEntriesMax: 16 } : {},
    })
    this.#invariants = new Invariants(this.#cluster.nodes)
    this.#recorder = new HistoryRecorder(this.#cluster.queue)
    this.#driver = new FaultDriver(this.#cluster, new SeededRandom(seed, STREAM.faults))
    this.#auditor = new Auditor(this.#cluster, this.#invariants)
    this.#keys = Array.from({ length: plan.between(2, 6) }, (_, at) => `k${at}`)
    const thinkMaxMs = plan.pick([10, 20, 40])
    this.#clients = Array.from({ length: plan.between(3, 6) }, (_, at) =>
      this.#client(`c${at}`, STREAM.clients + at, thinkMaxMs),
    )
  }

  async run(): Promise<void> {
    await this.#cluster.start()
    await this.#until('aLeaderAtFirst', SERVE_WITHIN_MS, () => this.#cluster.leader() !== null)
    for (const client of this.#clients) client.start()
    this.#auditor.start()
    await this.#misbehave()
    await this.#serveWithMajority()
    await this.#converge()
    this.#isComplete = this.#judge()
  }

  result(violation: SeedResult['violation']): SeedResult {
    const { commits, leaderChanges } = this.#invariants
    const faults = this.#driver.counts()
    for (const { exchange } of this.#clients) faults.drop += exchange.answersLost
    return {
      seed: this.#options.seed,
      counted: this.#isComplete && commits >= COMMITS_MIN && this.#driver.episodes >= EPISODES_MIN,
      violation,
      commits,
      faults,
      leaderChanges,
      simulatedMs: this.#cluster.queue.nowMs,
      history: this.#recorder.history(),
    }
  }

  /** Faults for a while, and until enough has been committed under them. */
  async #misbehave(): Promise<void> {
    const { queue } = this.#cluster
    this.#driver.start()
    const untilMs = queue.nowMs + this.#plan.between(1500, 3500)
    const isEnough = () => this.#invariants.commits >= COMMITS_MIN && this.#driver.episodes >= EPISODES_MIN
    await this.#pass(FAULTS_MAX_MS, () => queue.nowMs >= untilMs && isEnough())
    this.#driver.stop()
  }

  /** A random majority is healed, the rest is left as broken as can be: every client must be served. */
  async #serveWithMajority(): Promise<void> {
    const { nodes } = this.#cluster
    const shuffled = [...nodes]
    for (let at = shuffled.length - 1; at > 0; at--) {
      const other = this.#plan.between(0, at)
      ;[shuffled[at], shuffled[other]] = [shuffled[other] as SimulatedNode, shuffled[at] as SimulatedNode]
    }
    const core = shuffled.slice(0, Math.floor(nodes.length / 2) + 1)
    this.#driver.healNetwork()
    for (const node of core) this.#driver.repair(node)
    for (const node of shuffled.slice(core.length)) this.#leaveBroken(node, core)
    const before = this.#clients.map((client) => client.completed)
    const isServed = (client: WorkloadClient, at: number) =>
      client.completed >= (before[at] as number) + OPERATIONS_TO_SERVE
    await this.#until('aMajorityServes', SERVE_WITHIN_MS, () => this.#clients.every(isServed))
  }

  #leaveBroken(node: SimulatedNode, core: readonly SimulatedNode[]): void {
    const { network } = this.#cluster
    const choice = this.#plan.between(0, 3)
    if (choice === 0) this.#driver.crash(node, this.#plan.pick(['power', 'process']))
    for (const { id } of core) {
      // Cut off, deaf or mute.
      if (choice !== 2) network.cut(id, node.id)
      if (choice !== 3) network.cut(node.id, id)
    }
  }

  /** Everything is healed: all nodes reach the same index and digest, and every key can be read. */
  async #converge(): Promise<void> {
    const { nodes } = this.#cluster
    for (const client of this.#clients) client.stop()
    this.#driver.healNetwork()
    for (const node of nodes) this.#driver.repair(node)
    const isCaughtUp = (node: SimulatedNode) => node.running?.machine.appliedIndex === this.#invariants.commits
    await this.#until('allConverge', CONVERGE_WITHIN_MS, () => {
      const { commits } = this.#invariants
      return (
        this.#clients.every((client) => client.isIdle) &&
        nodes.every((node) => isCaughtUp(node) && this.#auditor.digestIndexes.get(node) === commits)
      )
    })
    const reader = this.#client('reader', STREAM.reader, 0)
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
        : `${node.id} ${status.role} of term ${status.term}, commit ${status.commitIndex}`
    })
    throw new InvariantViolation(invariant, `not within ${limitMs} simulated milliseconds: ${nodes.join('; ')}`)
  }

  #client(name: string, stream: number, thinkMaxMs: number): WorkloadClient {
    return new WorkloadClient({
      cluster: this.#cluster,
      recorder: this.#recorder,
      random: new SeededRandom(this.#options.seed, stream),
      name,
      keys: this.#keys,
      thinkMaxMs,
      onAcknowledged: (index) => this.#invariants.acknowledged(index),
      onNonsense: (detail) => {
        throw new InvariantViolation('answersMakeSense', detail)
      },
    })
  }
}
