/**
 * An operator's word to every member: no single one of them is trusted to pass it on, and no single one
 * ends an epoch by itself.
 */
import { hasCode } from '../../base/error.js'
import type { CallOptions, Client } from '../../client/api.js'
import { byzantineFaults } from '../../consensus/quorum.js'
import type { ClientOrder } from '../../transport/client-orders.js'

/** Throws what members said where fewer than f + 1 took the order. What may be under way all the same is not an error. */
export async function orderAll(client: Client, order: ClientOrder, call: CallOptions): Promise<void> {
  const { nodes } = await client.clusterStatus(call)
  const told = await Promise.allSettled(nodes.map(({ id }) => client.order(order, { ...call, node: id })))
  const refusals = told.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
  const taken = nodes.length - refusals.filter((error) => !isUnderWay(error)).length
  if (taken >= byzantineFaults(nodes.length) + 1) return
  throw refusals.find((error) => !isUnderWay(error) && !hasCode(error, 'Unreachable')) ?? refusals[0]
}

function isUnderWay(error: unknown): boolean {
  return hasCode(error, 'OutcomeUnknown') || hasCode(error, 'EpochChanging')
}
