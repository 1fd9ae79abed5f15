/** What counts the changes of who leads: terms in Raft, views in PBFT, rounds in HotStuff. */
import type { Mode } from '../consensus/types.js'

export const TURNS = { raft: 'term', pbft: 'view', hotstuff: 'round' } as const satisfies Record<Mode, string>

interface Turns {
  readonly mode: Mode
  readonly term: number | null
  readonly view: number | null
  readonly round: number | null
}

/** Such as `term 3`. */
export function turnText(status: Turns): string {
  const name = TURNS[status.mode]
  return `${name} ${status[name] ?? 'not known'}`
}
