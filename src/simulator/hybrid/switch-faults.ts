/**
 * Faults that are aimed at a change of protocol: an operator's orders, sensible or not, and crashes and
 * partitions that wait for a step of the next switch. What is armed strikes at the first node that gets
 * there, or at the one that it was meant for.
 */
import type { OperatorOrder } from '../../consensus/core.js'
import type { NodeId } from '../../consensus/types.js'
import type { SimulatedCluster } from '../cluster.js'
import type { Failpoint } from '../failpoints.js'
import type { SimulatedNode } from '../node.js'
import { giveOrder } from '../operator.js'
import type { SeededRandom } from '../random.js'
import { SWITCH_STEPS, type SwitchStep, type SwitchStrike } from './strikes.js'

type Armed = Extract<SwitchStrike, `${string}InSwitch`>
type OrderedMode = Extract<OperatorOrder, { kind: 'setMode' }>['mode']

interface Waiting {
  readonly strike: Armed
  readonly step: SwitchStep
  /** Null for whoever gets there first. */
  readonly node: SimulatedNode | null
  readonly random: SeededRandom
}

/** What the driver of all faults lends to those of a switch. */
export interface SwitchFaultHands {
  readonly isRunning: boolean
  crashAndRestart(node: SimulatedNode, kind: 'power' | 'process'): void
  /** For a while. */
  partition(): void
}

/** Where a node writes and sends what a step of the switch rests on. */
const POINTS: readonly Failpoint[] = [
  'beforeAppend',
  'afterAppend',
  'beforeSync',
  'afterSync',
  'beforeStored',
  'beforeSend',
  'afterSend',
]
const PASSES_MAX = 4
const ARMED_MAX = 4

export class SwitchFaults {
  readonly #cluster: SimulatedCluster
  readonly #hands: SwitchFaultHands
  #armed: Waiting[] = []
  /** An administrator clears what is held against a member; null for all. */
  onClearThreat: (node: NodeId | null) => void = () => {}

  constructor(cluster: SimulatedCluster, hands: SwitchFaultHands) {
    this.#cluster = cluster
    this.#hands = hands
  }

  strike(strike: SwitchStrike, node: SimulatedNode, random: SeededRandom): void {
    switch (strike) {
      case 'orderByzantine':
        return this.#orderByzantine(random)
      case 'orderRaft':
        return this.#orderAll(this.#cluster.nodes, 'raft')
      case 'clearThreat':
        return this.onClearThreat(random.chance(0.5) ? null : node.id)
      default: {
        const whom = random.chance(0.6) ? node : null
        this.#armed.push({ strike, step: random.pick(SWITCH_STEPS), node: whom, random })
        if (this.#armed.length > ARMED_MAX) this.#armed.shift()
      }
    }
  }

  /** A node has come to these steps of a switch. */
  reached(node: SimulatedNode, steps: ReadonlySet<SwitchStep>): void {
    if (!this.#hands.isRunning) return
    const due = this.#armed.filter((one) => steps.has(one.step) && (one.node === null || one.node === node))
    this.#armed = this.#armed.filter((one) => !due.includes(one))
    for (const one of due) {
      this.#cluster.trace?.emit('fault', node.id, { strike: one.strike, point: one.step })
      this.#carryOut(one, node)
    }
  }

  #carryOut({ strike, random }: Waiting, node: SimulatedNode): void {
    const { queue, nodes } = this.#cluster
    const kind = random.pick(['power', 'process'] as const)
    switch (strike) {
      case 'crashInSwitch':
        node.failpoints.arm(random.pick(POINTS), random.between(1, PASSES_MAX), () =>
          this.#hands.crashAndRestart(node, kind),
        )
        return
      case 'powerCutInSwitch':
        // What the step wants written may be under way by then, or written.
        queue.after(random.next() * 2, () => {
          if (this.#hands.isRunning) for (const each of nodes) this.#hands.crashAndRestart(each, 'power')
        })
        return
      case 'partitionInSwitch':
        this.#hands.partition()
    }
  }

  /** To all, to a few, who are too few or not, or each its own. */
  #orderByzantine(random: SeededRandom): void {
    const { nodes } = this.#cluster
    const mode = random.pick(['bft', 'pbft', 'hotstuff'] as const)
    const choice = random.next()
    if (choice < 0.7) this.#orderAll(nodes, mode)
    else if (choice < 0.85)
      this.#orderAll(
        nodes.filter(() => random.chance(0.5)),
        mode,
      )
    else for (const node of nodes) this.#orderAll([node], random.pick(['pbft', 'hotstuff'] as const))
  }

  #orderAll(nodes: readonly SimulatedNode[], mode: OrderedMode): void {
    this.#cluster.trace?.emit('fault', null, { strike: `order ${mode}` })
    for (const node of nodes) giveOrder(this.#cluster, node, { kind: 'setMode', mode })
  }
}
