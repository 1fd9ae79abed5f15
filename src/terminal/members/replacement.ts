/** One member in the place of another, for `cluster members replace` and `keys rotate --node`. */
import { memberOf } from '../../cluster/change-goals.js'
import type { ChangePlan, ChangeScene } from './member-command.js'
import { newcomer, type PlaceFlags, successorOf } from './newcomer.js'

/** `id` leaves when `as` (a name derived from `id` where absent) has caught up. Throws as `newcomer` does. */
export async function replacement(
  id: string,
  as: string | undefined,
  flags: PlaceFlags,
): Promise<(scene: ChangeScene) => ChangePlan> {
  const successor = as ?? successorOf(id)
  const joins = await newcomer(successor, flags, false)
  return ({ view }) => {
    const old = memberOf(view, id)
    const learner = (old ?? memberOf(view, successor))?.role === 'learner'
    const zone = joins.zone ?? old?.zone ?? null
    return { change: { add: [{ ...joins, zone, learner }], promote: [], remove: [id] }, planned: null, wait: true }
  }
}
