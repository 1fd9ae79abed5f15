/** `cluster transfer-leader`: asks the leader to hand over, as often as it takes, and waits until it has. */

import { hasCode, KnhkError } from '../base/error.js'
import type { Client, ClusterStatus } from '../client/api.js'
import { callOptions, type Patience, waitUntil } from '../cluster/members.js'
import { type Mode, nodeId } from '../consensus/types.js'

/** A leader gives a transfer up after one election time-out; then it is asked again. */
const ASK_AGAIN_MS = 1_000

export interface Transfer {
  readonly from: string
  readonly to: string
  /** Those of the protocol that decides; the others are null. */
  readonly term: number | null
  readonly view: number | null
  readonly round: number | null
  readonly mode: Mode
  /** False where it led already. */
  readonly changed: boolean
  readonly elapsedMs: number
}

/**
 * `target` null: whoever the leader chooses. Throws `NotFound` for no member, `InvalidArgument` for one
 * without a vote, `NoLeader`, `DeadlineExceeded`.
 */
export async function transferLeader(client: Client, target: string | null, patience: Patience): Promise<Transfer> {
  const startedMs = performance.now()
  const elapsedMs = () => Math.round(performance.now() - startedMs)
  const first = await client.clusterStatus(callOptions(patience))
  const from = first.leader
  if (from === null) throw new KnhkError('NoLeader', 'nobody leads, so nobody can hand over')
  if (target === from) return { from, to: from, ...turnsOf(first), changed: false, elapsedMs: elapsedMs() }
  let to = from
  let turns = turnsOf(first)
  let askedMs = Number.NEGATIVE_INFINITY
  const missing = async (): Promise<string | null> => {
    const status = await client.clusterStatus(callOptions(patience))
    if (status.leader !== null && (target === null ? status.leader !== from : status.leader === target)) {
      to = status.leader
      turns = turnsOf(status)
      return null
    }
    if (status.leader !== null && performance.now() - askedMs > ASK_AGAIN_MS) {
      await ask(client, target, patience)
      askedMs = performance.now()
    }
    return `${status.leader ?? 'nobody'} leads`
  }
  await waitUntil(`${target ?? 'another member'} leads`, missing, patience)
  return { from, to, ...turns, changed: true, elapsedMs: elapsedMs() }
}

function turnsOf({ mode, term, view, round }: ClusterStatus): Pick<ClusterStatus, 'mode' | 'term' | 'view' | 'round'> {
  return { mode, term, view, round }
}

/** What passes by itself is only a reason to look again. */
async function ask(client: Client, target: string | null, patience: Patience): Promise<void> {
  const order = { kind: 'transferLeadership', target: target === null ? null : nodeId(target) } as const
  try {
    await client.order(order, callOptions(patience))
  } catch (error) {
    if (!hasCode(error, 'ChangeInProgress') && !hasCode(error, 'OutcomeUnknown')) throw error
  }
}
