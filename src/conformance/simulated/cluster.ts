/**
 * A simulated cluster under the suite: the production nodes over simulated time, network and disks, and the
 * client library on top, whose deadlines are of real time. So simulated time goes on by itself, a good deal
 * faster than the clock on the wall.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { KnhkError } from '../../base/error.js'
import { clientOver } from '../../client/client-over.js'
import type { Client } from '../../client/index.js'
import { byzantineFaults } from '../../consensus/quorum.js'
import { nodeId, type ProtocolName } from '../../consensus/types.js'
import { sha256 } from '../../crypto/sha256.js'
import { SIMULATED_CLIENT_KEY, SimulatedCluster, type SimulatedClusterOptions } from '../../simulator/cluster.js'
import { LOG_DIRECTORY } from '../../simulator/node.js'
import { signatureHolds, simulatedSigner } from '../../simulator/signatures.js'
import { type VerifiedLog, verifyLog } from '../../storage/log-verify.js'
import { certificateVerifier } from '../../terminal/logs/certificates.js'
import { CLIENT_FRAME } from '../../transport/client-protocol.js'
import type { ClusterNeeds, ClusterUnderTest } from '../cluster-under-test.js'
import { SimulatedLink } from './link.js'

export interface SimulatedConformanceOptions extends Omit<Partial<SimulatedClusterOptions>, 'sha256'> {
  readonly protocol: ProtocolName
  readonly nodes: number
}

/** Simulated time between two looks at the real clock … */
const SLICE_MS = 20
/** … and real time in between. */
const PAUSE_MS = 1
const STRANGER_KEY: Uint8Array = new Uint8Array(32).fill(0xee)
/** Real time; the machine may be busy. */
const CALL_TIMEOUT_MS = 30_000
const COMPACTION = { digestInterval: 16, trailingEntries: 4, idleMs: 200 }

/** Makes a simulated cluster and waits until its members run. */
export async function simulatedCluster(
  options: SimulatedConformanceOptions,
  { compactEveryEntries }: ClusterNeeds,
): Promise<ClusterUnderTest> {
  const compaction =
    compactEveryEntries === null
      ? { idleMs: COMPACTION.idleMs }
      : { ...COMPACTION, snapshotEntries: compactEveryEntries, checkpointInterval: compactEveryEntries }
  const cluster = new SimulatedCluster({
    seed: 1,
    ...options,
    sha256,
    limits: { ...compaction, ...options.limits },
  })
  await cluster.start()
  return new SimulatedUnderTest(cluster)
}

class SimulatedUnderTest implements ClusterUnderTest {
  readonly members: readonly string[]
  readonly faultsMax: number
  readonly isCertified: boolean
  readonly #cluster: SimulatedCluster
  readonly #faults: unknown[] = []
  readonly #flow: Promise<void>
  #answersToLose = 0
  #closed = false

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
    const { genesis, protocol } = cluster.configuration
    this.members = genesis.map(({ id }) => id)
    this.isCertified = protocol !== 'raft'
    this.faultsMax = this.isCertified ? byzantineFaults(genesis.length) : Math.floor((genesis.length - 1) / 2)
    this.#flow = this.#goOn()
  }

  client(): Client {
    return this.#client(SIMULATED_CLIENT_KEY)
  }

  stranger(): Client {
    return this.#client(STRANGER_KEY)
  }

  elapse(durationMs: number): Promise<void> {
    return new Promise((resolve) => this.#cluster.queue.after(durationMs, resolve))
  }

  async crash(member: string): Promise<void> {
    this.#noteFault(member)
    this.#cluster.node(nodeId(member)).crash('power')
  }

  async start(member: string): Promise<void> {
    await this.#cluster.node(nodeId(member)).start()
  }

  cutOff(members: readonly string[]): void {
    const others = this.members.filter((member) => !members.includes(member))
    this.#cluster.network.partition(members.map(nodeId), others.map(nodeId))
  }

  heal(): void {
    this.#cluster.network.heal()
  }

  loseAnswers(count: number): void {
    this.#answersToLose = count
  }

  verifyLog(member: string): Promise<VerifiedLog> {
    const holds = (check: Parameters<typeof signatureHolds>[1]) => signatureHolds(sha256, check)
    const verifyCertificate = certificateVerifier(this.#cluster.configuration, { holds })
    return verifyLog(this.#cluster.node(nodeId(member)).files, LOG_DIRECTORY, { verifyCertificate })
  }

  faults(): readonly unknown[] {
    for (const member of this.members) this.#noteFault(member)
    return this.#faults
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#flow
  }

  async #goOn(): Promise<void> {
    const { queue } = this.#cluster
    while (!this.#closed) {
      await queue.run(queue.nowMs + SLICE_MS)
      await pause(PAUSE_MS)
    }
  }

  /** A start forgets why the node had stopped. */
  #noteFault(member: string): void {
    const { fatal, broken } = this.#cluster.node(nodeId(member))
    for (const fault of [fatal, broken]) if (fault !== null && !this.#faults.includes(fault)) this.#faults.push(fault)
  }

  #client(clientKey: Uint8Array): Client {
    return clientOver({
      configuration: this.#cluster.configuration,
      clientKey,
      signer: () => simulatedSigner(sha256, clientKey),
      timeoutMs: CALL_TIMEOUT_MS,
      dial: async ({ id }) => {
        const { listener } = this.#cluster.node(id)
        if (listener === null) throw new KnhkError('Unreachable', `${id} is down`)
        return new SimulatedLink(listener, clientKey, (type) => !this.#isLost(type))
      },
    })
  }

  #isLost(type: number): boolean {
    if (type !== CLIENT_FRAME.applied || this.#answersToLose === 0) return false
    this.#answersToLose--
    return true
  }
}
