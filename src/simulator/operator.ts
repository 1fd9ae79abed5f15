/**
 * An operator who gives orders while everything goes wrong: hands leadership over, takes snapshots,
 * compacts logs, and, where there are spare nodes, changes the members: adds learners, promotes, removes,
 * replaces several voters at once, the leader as likely as anybody. A change is planned anew and asked
 * for again until it is taken, as an operator's client does.
 */
import { changeSignBytes, targetMembership } from '../consensus/bft/change-authority.js'
import type { CoreStatus } from '../consensus/core.js'
import type { TargetMember } from '../consensus/membership.js'
import type { Millis, NodeId } from '../consensus/types.js'
import { type ClientOrder, encodeOrder } from '../transport/client-orders.js'
import { CLIENT_FRAME } from '../transport/client-protocol.js'
import type { SimulatedCluster } from './cluster.js'
import type { SimulatedNode } from './node.js'
import type { SeededRandom } from './random.js'

const GAP_MIN_MS = 50
const GAP_MAX_MS = 900
const CHANGE_SHARE = 0.5
const ATTEMPTS_MAX = 12
const ORDER_TIMEOUT_MS = 1000

type MemberOrder = Extract<ClientOrder, { kind: 'changeMembership' }>

/** The members as an operator wants them. */
interface Goal {
  readonly voters: readonly NodeId[]
  /** Learners, and whether they become voters by themselves. */
  readonly learners: ReadonlyMap<NodeId, boolean>
}

export class Operator {
  readonly #cluster: SimulatedCluster
  readonly #random: SeededRandom
  #running = false
  #isChanging = false

  constructor(cluster: SimulatedCluster, random: SeededRandom) {
    this.#cluster = cluster
    this.#random = random
  }

  start(): void {
    this.#running = true
    this.#later()
  }

  stop(): void {
    this.#running = false
  }

  #later(): void {
    const gapMs: Millis = this.#random.between(GAP_MIN_MS, GAP_MAX_MS)
    this.#cluster.queue.after(gapMs, () => {
      if (!this.#running) return
      if (this.#hasSpares && this.#random.chance(CHANGE_SHARE)) this.#change()
      else this.#give(this.#invent())
      this.#later()
    })
  }

  get #hasSpares(): boolean {
    const { genesis, members } = this.#cluster.configuration
    return members.length > genesis.length
  }

  #invent(): ClientOrder {
    const choice = this.#random.next()
    if (choice < 0.2) return { kind: 'takeSnapshot' }
    if (choice < 0.4) return { kind: 'compactLog' }
    const target = this.#random.chance(0.3) ? null : this.#random.pick(this.#cluster.nodes).id
    return { kind: 'transferLeadership', target }
  }

  #change(): void {
    if (this.#isChanging) return
    this.#isChanging = true
    this.#attempt(this.#inventGoal(), 1)
  }

  /** Any set of voters, never fewer than at first: damage is dosed to what so many bear. */
  #inventGoal(): Goal {
    const { nodes, configuration } = this.#cluster
    const random = this.#random
    const able = nodes.filter((node) => !node.isWiped).map(({ id }) => id)
    const least = configuration.genesis.length
    const count = Math.min(able.length, random.between(least, nodes.length))
    const voters = new Set<NodeId>()
    while (voters.size < count) voters.add(random.pick(able))
    // A disk that is gone keeps its place where there is nobody to take it.
    for (const { id } of nodes) if (voters.size < least) voters.add(id)
    const learners = new Map<NodeId, boolean>()
    for (const id of able) if (!voters.has(id) && random.chance(0.5)) learners.set(id, random.chance(0.5))
    return { voters: [...voters], learners }
  }

  #attempt(goal: Goal, attempt: number): void {
    const leader = this.#random.chance(0.9) ? this.#cluster.leader() : null
    const node = leader ?? this.#random.pick(this.#cluster.nodes)
    const status = node.running?.core.status()
    const again = () => {
      const delayMs = this.#random.between(20, 250)
      this.#cluster.queue.after(delayMs, () => {
        if (this.#running && attempt < ATTEMPTS_MAX) this.#attempt(goal, attempt + 1)
        else this.#isChanging = false
      })
    }
    if (status === undefined) return again()
    const joiners = joinersOf(status, goal)
    const order = this.#orderOf(status, this.#targetOf(joiners.length === 0 ? goal : withLearners(status, joiners)))
    this.#cluster.trace?.emit('fault', node.id, {
      strike: `order ${order.kind}`,
      voters: goal.voters.join(' '),
      learners: [...goal.learners.keys()].join(' '),
    })
    let isAnswered = false
    const isGiven = giveOrder(this.#cluster, node, order, (isTaken) => {
      if (isAnswered) return
      isAnswered = true
      if (isTaken && joiners.length === 0) this.#isChanging = false
      else again()
    })
    if (!isGiven) again()
  }

  /** Members that may lie want the client's word for the change, in the epoch that they are in. */
  #orderOf({ membership, epoch }: CoreStatus, target: readonly TargetMember[]): MemberOrder {
    const { configuration, sha256, signatures, clientKey: publicKey } = this.#cluster
    const { clusterId, protocol } = configuration
    const planned = membership.index
    if (protocol === 'raft') return { kind: 'changeMembership', planned, target }
    const bytes = changeSignBytes(sha256, { clusterId, epoch, planned }, targetMembership(target))
    const authority = { epoch, publicKey, signature: signatures.signerOf(publicKey)(bytes) }
    return { kind: 'changeMembership', planned, target, authority }
  }

  #targetOf({ voters, learners }: Goal): TargetMember[] {
    return this.#cluster.configuration.members.flatMap((member): TargetMember[] => {
      if (voters.includes(member.id)) return [{ ...member, role: 'voter', promote: false }]
      const promote = learners.get(member.id)
      return promote === undefined ? [] : [{ ...member, role: 'learner', promote }]
    })
  }

  /** To the leader mostly; others have to refuse. */
  #give(order: ClientOrder): void {
    const leader = this.#random.chance(0.8) ? this.#cluster.leader() : null
    const node = leader ?? this.#random.pick(this.#cluster.nodes)
    this.#cluster.trace?.emit('fault', node.id, { strike: `order ${order.kind}` })
    giveOrder(this.#cluster, node, order)
  }
}

/** A hybrid gives no vote to who has not caught up, and nobody does who is no member: these have to be learners first. */
function joinersOf({ threat, membership }: CoreStatus, { voters }: Goal): NodeId[] {
  const { members } = membership.membership
  const isHybrid = threat !== null
  return isHybrid ? voters.filter((voter) => !members.some(({ id }) => id === voter)) : []
}

/** The members as they are, and these beside them. */
function withLearners({ membership }: CoreStatus, joiners: readonly NodeId[]): Goal {
  const { members } = membership.membership
  const learners = members.flatMap(({ id, role }) => (role === 'learner' ? [id] : []))
  const voters = members.flatMap(({ id, role }) => (role === 'voter' ? [id] : []))
  return { voters, learners: new Map([...learners, ...joiners].map((id) => [id, false])) }
}

/** Over a connection of its own. Calls back at most twice. False where the node takes no connections. */
export function giveOrder(
  cluster: SimulatedCluster,
  node: SimulatedNode,
  order: ClientOrder,
  onAnswer: (isTaken: boolean) => void = () => {},
): boolean {
  if (node.listener === null) return false
  const handlers = {
    onAnswer: (type: number) => {
      if (type === CLIENT_FRAME.leader) return
      onAnswer(type === CLIENT_FRAME.ordered)
      connection.close()
    },
    onClose: () => onAnswer(false),
  }
  const connection = node.listener.connect(cluster.clientKey, handlers)
  connection.transmit(CLIENT_FRAME.order, encodeOrder({ requestNumber: 1, order }))
  // An order that is lost in an election gets no answer.
  cluster.queue.after(ORDER_TIMEOUT_MS, () => connection.close())
  return true
}
