/** Keys and values through a client, as the tests of real clusters write and read them. */
import { expect } from 'vitest'
import type { ClusterClient, Session } from '../../src/client/index.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import type { Operation } from '../../src/workflow/operations.js'

/** Longer than an election, a change of the view or a catch-up by far. */
const TIMEOUT_MS = 40_000

export function kvPut(key: string, value: string | Uint8Array): Operation {
  return kvOperation({ operation: 'kv.put', key: Buffer.from(key), value: Buffer.from(value) })
}

export async function put(client: ClusterClient, key: string, value: string): Promise<void> {
  const { outcome } = await client.submitOnce(kvPut(key, value), { timeoutMs: TIMEOUT_MS })
  expect(outcome.ok).toBe(true)
}

export async function get(client: ClusterClient, key: string): Promise<string> {
  const { value } = await client.query('kv.get', { key: Buffer.from(key) }, { timeoutMs: TIMEOUT_MS })
  return Buffer.from((value as { value: Uint8Array }).value).toString()
}

/** `k<i>` = `v<i>` for each i from `from` to before `to`, one after the other: every write is an entry of its own. */
export async function write(session: Session, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    const [settled] = await session.submit([kvPut(`k${i}`, `v${i}`)], { timeoutMs: TIMEOUT_MS })
    expect(settled?.outcome.ok).toBe(true)
  }
}
