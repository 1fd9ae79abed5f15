/**
 * An operator who gives orders while everything goes wrong: hands leadership over, takes snapshots,
 * compacts logs. No order may cost anybody anything, so nobody waits for an answer.
 */
import type { Millis } from '../consensus/types.js'
import { type ClientOrder, encodeOrder } from '../transport/client-orders.js'
import { CLIENT_FRAME } from '../transport/client-protocol.js'
import { SIMULATED_CLIENT_KEY, type SimulatedCluster } from './cluster.js'
import type { SeededRandom } from './random.js'

const GAP_MIN_MS = 50
const GAP_MAX_MS = 900

export class Operator {
  readonly #cluster: SimulatedCluster
  readonly #random: SeededRandom
  #number = 0
  #running = false

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
      this.#give(this.#invent())
      this.#later()
    })
  }

  #invent(): ClientOrder {
    const choice = this.#random.next()
    if (choice < 0.2) return { kind: 'takeSnapshot' }
    if (choice < 0.4) return { kind: 'compactLog' }
    const target = this.#random.chance(0.3) ? null : this.#random.pick(this.#cluster.nodes).id
    return { kind: 'transferLeadership', target }
  }

  /** To the leader mostly; others have to refuse. */
  #give(order: ClientOrder): void {
    const leader = this.#random.chance(0.8) ? this.#cluster.leader() : null
    const node = leader ?? this.#random.pick(this.#cluster.nodes)
    if (node.listener === null) return
    this.#cluster.trace?.emit('fault', node.id, { strike: `order ${order.kind}` })
    const handlers = {
      onAnswer: (type: number) => {
        if (type !== CLIENT_FRAME.leader) connection.close()
      },
      onClose: () => {},
    }
    const connection = node.listener.connect(SIMULATED_CLIENT_KEY, handlers)
    connection.transmit(CLIENT_FRAME.order, encodeOrder({ requestNumber: ++this.#number, order }))
  }
}
