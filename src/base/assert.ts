/**
 * Invariants that stay on in production: a correctness bug becomes a stop, never a wrong answer
 * (TigerBeetle's TIGER_STYLE, "assertions").
 */
import { KnhkError } from './error.js'

/** Throws `Bug` unless `condition` holds. `message` states the invariant that was broken. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new KnhkError('Bug', `invariant broken: ${message}`)
}

/** Ends a switch over a discriminated union; the compiler proves that it is never reached. */
export function unreachable(value: never, message: string): never {
  throw new KnhkError('Bug', `unreachable: ${message}: ${String(value)}`)
}
