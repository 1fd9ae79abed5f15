/** The write of a step that is running: an effect that was given out already, and is filled until the step ends. */
import type { Effect, StoreRecord } from './core.js'
import type { Epoch, LogIndex, Term, WriteId } from './types.js'

export type StoreEffect = Extract<Effect, { type: 'store' }>

export interface BegunWrite {
  /** Its place is set when the step ends. */
  readonly effect: { -readonly [K in keyof StoreEffect]: StoreEffect[K] }
  /** The effect's own list. */
  readonly records: StoreRecord[]
}

export function beginWrite(writeId: number): BegunWrite {
  const records: StoreRecord[] = []
  const place = { epoch: 0 as Epoch, term: 0 as Term, index: 0 as LogIndex }
  return { effect: { type: 'store', writeId: writeId as WriteId, ...place, records }, records }
}
