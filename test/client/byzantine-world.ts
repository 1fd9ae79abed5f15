/**
 * Replicas of a Byzantine cluster for the tests of the client library, on links in memory. Each has a state
 * machine of its own that applies one common order, checks the signatures of requests, and answers for
 * itself: honestly, or as a test has it lie. What is under test is everything above the link.
 */
import { KnhkError } from '../../src/base/error.js'
import { ClusterClient } from '../../src/client/client.js'
import { Links } from '../../src/client/links.js'
import { QuorumChannel } from '../../src/client/quorum-channel.js'
import { requestCheck } from '../../src/consensus/bft/client-request.js'
import {
  type ClusterConfiguration,
  DEFAULT_SETTINGS,
  type MemberConfiguration,
} from '../../src/consensus/configuration.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import { type KeyPair, keyPairOfSeed, sign } from '../../src/crypto/keys.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { Verifier } from '../../src/crypto/verifier.js'
import { requestName } from '../../src/node/request-pool.js'
import {
  CLIENT_FRAME,
  decodeQuery,
  encodeApplied,
  encodeLeaderNotice,
  encodeQueryAnswer,
  type QueryFrame,
  requestNumberOf,
  requestOf,
} from '../../src/transport/client-protocol.js'
import type { FrameLink } from '../../src/transport/dial.js'
import { KV_HANDLERS } from '../../src/workflow/kv.js'
import { WorkflowMachine } from '../../src/workflow/machine.js'
import { type QueryReadResult, startQuery } from '../../src/workflow/queries.js'
import { applyEntry, entryOf, MapState, START_MS } from '../workflow/harness.js'
import { FakeLink, member } from './fake-cluster.js'

export const CONTEXT = { mode: 'pbft', assurance: 'certified', epoch: 3 } as const
export const CLUSTER_ID = new Uint8Array(16).fill(9)

/** Null: as an honest replica. Otherwise it does what it likes with the frame. */
export type Conduct = ((replica: Replica, link: FakeLink, type: number, payload: Uint8Array) => void) | null

interface Answer {
  readonly index: number
  readonly firstPosition: number
  readonly results: Uint8Array
}

export class Replica {
  readonly member: MemberConfiguration
  conduct: Conduct = null
  /** It takes what it is sent, and applies nothing. */
  isFrozen = false
  isDown = false
  readonly state = new MapState()
  readonly machine: WorkflowMachine
  readonly links: FakeLink[] = []
  /** Frames that came, and those of them that were requests. */
  received = 0
  readonly requests: Uint8Array[] = []
  readonly #world: ByzantineWorld
  readonly #answers = new Map<string, Answer>()
  readonly #waiting = new Map<string, { readonly link: FakeLink; readonly number: number }>()
  readonly #queries: { readonly link: FakeLink; readonly query: QueryFrame }[] = []
  #applied = 0

  constructor(world: ByzantineWorld, n: number) {
    this.#world = world
    this.member = member(n)
    const genesis = {
      clients: [{ id: 'c', publicKey: world.key.publicKey, role: 'writer' }],
      clusterId: CLUSTER_ID,
    } as const
    const modules = { state: this.state, handlers: KV_HANDLERS, sha256, signatures: new Verifier() }
    this.machine = new WorkflowMachine({ genesis, appliedIndex: 0, system: [] }, modules)
  }

  frame(link: FakeLink, type: number, payload: Uint8Array): void {
    this.received++
    if (type === CLIENT_FRAME.propose) this.requests.push(requestOf(payload).slice())
    if (this.conduct !== null) this.conduct(this, link, type, payload)
    else this.answer(link, type, payload)
  }

  /** What an honest replica does. */
  answer(link: FakeLink, type: number, payload: Uint8Array): void {
    if (type === CLIENT_FRAME.query) {
      this.#queries.push({ link, query: decodeQuery(payload) })
      setImmediate(() => this.#serve())
      return
    }
    if (type !== CLIENT_FRAME.propose) {
      link.refuse(payload, 'NotLeader')
      return
    }
    const request = requestOf(payload).slice()
    const check = requestCheck(sha256, CLUSTER_ID, request)
    if (check === null || !this.#world.verifier.verify(check.publicKey, check.bytes, check.signature)) {
      link.close()
      return
    }
    const name = requestName(request, 0)
    this.#waiting.set(name, { link, number: requestNumberOf(payload) })
    if (this.#answers.has(name)) this.#reply(name)
    else this.#world.order(request)
  }

  catchUp(): void {
    if (this.isFrozen) return
    for (; this.#applied < this.#world.log.length; this.#applied++) {
      const request = this.#world.log[this.#applied] as Uint8Array
      const index = this.#applied + 1
      const [answer] = applyEntry(this.machine, entryOf(index, START_MS, encodeBody([request])))
      const name = requestName(request, 0)
      if (answer !== undefined) this.#answers.set(name, { index, ...answer })
      this.#reply(name)
    }
    this.#serve()
  }

  /** Sends an answer to a query. */
  tell(link: FakeLink, requestNumber: number, value: unknown, index = this.machine.appliedIndex): void {
    link.deliver(CLIENT_FRAME.answer, encodeQueryAnswer({ requestNumber, ...CONTEXT, index, staleMs: null, value }))
  }

  #serve(): void {
    for (const { link, query } of this.#queries.splice(0)) {
      if (query.minIndex > this.machine.appliedIndex) this.#queries.push({ link, query })
      else this.tell(link, query.requestNumber, this.#value(query))
    }
  }

  #value({ name, args }: QueryFrame): unknown {
    if (name === 'cluster.members') return this.#world.membersAnswer()
    if (name === 'node.status') return { id: this.member.id, role: 'follower', mode: 'pbft', view: 1, epoch: 3 }
    const steps = startQuery(name, args, this.machine)
    let step = steps.next()
    while (step.done !== true) {
      if (step.value.kind !== 'get') throw new Error('the queries of these tests read single keys')
      const result: QueryReadResult = { kind: 'get', value: this.state.get(step.value.key) }
      step = steps.next(result)
    }
    return step.value
  }

  #reply(name: string): void {
    const waiting = this.#waiting.get(name)
    const answer = this.#answers.get(name)
    if (waiting === undefined || answer === undefined) return
    this.#waiting.delete(name)
    const { index, firstPosition, results } = answer
    const { link, number } = waiting
    link.deliver(CLIENT_FRAME.applied, encodeApplied(number, CONTEXT, index, firstPosition, results))
  }
}

export class ByzantineWorld {
  readonly key: KeyPair
  readonly verifier = new Verifier()
  readonly replicas: readonly Replica[]
  /** Requests in their order, each once. */
  readonly log: Uint8Array[] = []
  dials = 0
  leader: string | null = 'n1'
  readonly #ordered = new Set<string>()

  static async of(n: number): Promise<ByzantineWorld> {
    return new ByzantineWorld(n, await keyPairOfSeed(new Uint8Array(32).fill(7)))
  }

  private constructor(n: number, key: KeyPair) {
    this.key = key
    this.replicas = Array.from({ length: n }, (_, i) => new Replica(this, i + 1))
  }

  get members(): readonly MemberConfiguration[] {
    return this.replicas.map((replica) => replica.member)
  }

  replica(n: number): Replica {
    return this.replicas[n - 1] as Replica
  }

  channel(endpoints?: readonly string[]): QuorumChannel {
    const configuration: ClusterConfiguration = {
      clusterId: CLUSTER_ID,
      protocol: 'pbft',
      genesis: this.members,
      members: this.members,
      clients: [],
      settings: DEFAULT_SETTINGS,
    }
    return new QuorumChannel(
      (handlers) =>
        new Links({
          configuration,
          byzantine: true,
          ...(endpoints === undefined ? {} : { endpoints }),
          dial: (to) => this.#dial(to),
          ...handlers,
        }),
      {
        clusterId: CLUSTER_ID,
        clientKey: this.key.publicKey,
        sign: (bytes) => sign(this.key.privateKey, bytes),
      },
    )
  }

  client(endpoints?: readonly string[]): ClusterClient {
    const options = {
      clientKey: this.key.publicKey,
      protocol: 'pbft' as const,
      timeoutMs: 5_000,
      trace: new Uint8Array(0),
    }
    return new ClusterClient(this.channel(endpoints), options)
  }

  order(request: Uint8Array): void {
    const name = requestName(request, 0)
    if (this.#ordered.has(name)) return
    this.#ordered.add(name)
    this.log.push(request)
    setImmediate(() => {
      for (const replica of this.replicas) replica.catchUp()
    })
  }

  membersAnswer(): unknown {
    const members = this.members.map(({ publicKey, ...rest }) => ({
      ...rest,
      publicKey: Buffer.from(publicKey).toString('hex'),
    }))
    return { index: 0, committed: true, joint: false, members }
  }

  async #dial(to: MemberConfiguration): Promise<FrameLink> {
    this.dials++
    await new Promise((resolve) => setImmediate(resolve))
    const replica = this.replicas.find((one) => one.member.id === to.id)
    if (replica === undefined || replica.isDown) throw new KnhkError('Unreachable', `${to.id} cannot be reached`)
    const link = new FakeLink(to, (from, type, payload) => replica.frame(from, type, payload.slice()))
    replica.links.push(link)
    link.deliver(CLIENT_FRAME.leader, encodeLeaderNotice(1, this.leader))
    return link
  }
}
