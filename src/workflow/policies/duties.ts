/** Who did what with a case, for the segregation of duties: the creator stands in the history, the others in the case. */
import { type CaseRecord, type DutyHolder, decodeHistoryRecord, historyKey } from '../case-record.js'
import type { CaseState } from '../operations.js'
import type { StatePort } from '../state-keys.js'
import { DUTIES, type Duty } from './policy.js'

const DUTY_OF_STATE: Readonly<Record<Exclude<CaseState, 'created' | 'running'>, Duty>> = {
  suspended: 'suspender',
  completed: 'completer',
  failed: 'failer',
  cancelled: 'canceller',
}

/** The duty of whoever moves a case. */
export function dutyOf(from: CaseState, to: CaseState): Duty {
  if (to === 'created') return 'creator'
  if (to !== 'running') return DUTY_OF_STATE[to]
  return from === 'suspended' ? 'resumer' : 'starter'
}

/** `actor` now holds the duty. */
export function withDuty(holders: readonly DutyHolder[], duty: Duty, actor: Uint8Array): DutyHolder[] {
  const code = DUTIES.indexOf(duty)
  const others = holders.filter((holder) => holder.duty !== code)
  return [...others, { duty: code, actor }].sort((a, b) => a.duty - b.duty)
}

/** Key of the client that holds a duty in a case; null while nobody does. `id` is the case id as a binary string. */
export function holderOf(state: StatePort, id: string, record: CaseRecord, duty: Duty): Uint8Array | null {
  if (duty !== 'creator') return record.duties.find((one) => one.duty === DUTIES.indexOf(duty))?.actor ?? null
  const created = state.get(historyKey(id, record.createdIndex, record.createdPosition))
  return created === undefined ? null : decodeHistoryRecord(created).actor
}
