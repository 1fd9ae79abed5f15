/** Watches what nodes are and have, and notes every change in the trace. Runs only where somebody reads it. */
import type { MembershipRecord } from '../consensus/membership.js'
import type { SimulatedCluster } from './cluster.js'
import type { SimulatedNode } from './node.js'
import type { Trace } from './trace.js'

interface Seen {
  activity: number
  role: string
  epoch: number
  commit: number
  applied: number
  durable: number
}

export class Observer {
  readonly #cluster: SimulatedCluster
  readonly #trace: Trace
  readonly #seen: Seen[]

  constructor(cluster: SimulatedCluster, trace: Trace) {
    this.#cluster = cluster
    this.#trace = trace
    this.#seen = cluster.nodes.map(() => ({ activity: -1, role: '', epoch: 0, commit: 0, applied: 0, durable: 0 }))
  }

  /** After every event. */
  look(): void {
    this.#cluster.nodes.forEach((node, at) => {
      this.#look(node, this.#seen[at] as Seen)
    })
  }

  #look(node: SimulatedNode, seen: Seen): void {
    const { id } = node
    const durable = node.durable.last
    if (durable !== seen.durable) this.#trace.emit('sync', id, { last: durable })
    seen.durable = durable
    if (node.running === null || node.activity === seen.activity) {
      if (node.running === null) seen.role = ''
      return
    }
    seen.activity = node.activity
    const { mode, role, epoch, term, view, round, leader, commitIndex, membership } = node.running.core.status()
    if (epoch !== seen.epoch) this.#trace.emit('epoch', id, { epoch, mode, members: named(membership) })
    seen.epoch = epoch
    const applied = node.running.loop.machine.appliedIndex
    const turn = view === null ? (round === null ? { term } : { round }) : { view }
    const now = `${role} ${Object.values(turn)} ${leader}`
    if (now !== seen.role) this.#trace.emit('role', id, { role, ...turn, leader })
    if (commitIndex > seen.commit) this.#trace.emit('commit', id, { upTo: commitIndex })
    if (applied > seen.applied) this.#trace.emit('apply', id, { upTo: applied })
    seen.role = now
    seen.commit = commitIndex
    seen.applied = applied
  }
}

/** Learners in brackets. */
function named({ membership }: MembershipRecord): string {
  return membership.members.map(({ id, role }) => (role === 'voter' ? id : `(${id})`)).join(' ')
}
