/** Small operations that tell lost, doubled and reordered ones apart, and what comes of them. */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { fromUtf8, toUtf8 } from '../base/bytes.js'
import type { Client, QueryOptions, Session, SettledOperation } from '../client/index.js'
import { kvOperation } from '../workflow/kv-codec.js'
import type { Operation } from '../workflow/operations.js'

export function put(key: string, value: string): Operation {
  return kvOperation({ operation: 'kv.put', key: toUtf8(key), value: toUtf8(value) })
}

/** Holds only where the key has this value, or, where it is null, is absent. */
export function swap(key: string, expected: string | null, value: string): Operation {
  const before = expected === null ? null : toUtf8(expected)
  return kvOperation({ operation: 'kv.cas', key: toUtf8(key), expected: before, value: toUtf8(value) })
}

/** Submits one operation that must be applied; where it stands. */
export async function applied(session: Session, operation: Operation): Promise<SettledOperation> {
  const [settled] = await session.submit([operation])
  ok(settled !== undefined, 'a request came back without a result')
  deepStrictEqual(settled.outcome.ok, true, `rejected: ${JSON.stringify(settled.outcome)}`)
  return settled
}

/**
 * Counts a key up, one swap after the other, from its value to `to`: a swap that is lost, done twice or out
 * of turn makes all later ones fail. The index of the last one.
 */
export async function count(session: Session, key: string, from: number, to: number): Promise<number> {
  let index = 0
  for (let i = from + 1; i <= to; i++) {
    const operation = swap(key, i === 1 ? null : String(i - 1), String(i))
    index = (await applied(session, operation)).index
  }
  return index
}

/** The value of a key, linearizable unless another level is asked for; null when absent. */
export async function read(client: Client, key: string, options: QueryOptions = {}): Promise<string | null> {
  const { value } = await client.query('kv.get', { key: toUtf8(key) }, options)
  const found = (value as { readonly value: Uint8Array | null }).value
  return found === null ? null : fromUtf8(found)
}
