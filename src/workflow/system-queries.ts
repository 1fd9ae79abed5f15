/** Queries about what the state machine keeps for itself: sessions and clients. They need no reads: both are in memory. */
import { toHex } from '../base/bytes.js'
import { ArgumentReader, cursorOf, type QueryArguments } from './query-args.js'
import type { ClientTable } from './roles.js'
import type { SessionTable } from './sessions.js'
import { binaryString, CLIENT_SPACE, endOfPrefix } from './state-keys.js'

/**
 * `{ limit? }` → `{ count, sessions: [{ index, offset, client, ordered, lastUsedAtMs, keptResults,
 * keptBytes }] }`, least recently used first; `count` is that of all.
 */
export function listSessions(args: QueryArguments, sessions: SessionTable): unknown {
  const reader = new ArgumentReader(args)
  const limit = reader.limit()
  reader.end()
  const rows = []
  for (const session of sessions.list()) {
    if (rows.length === limit) break
    rows.push({
      index: session.index,
      offset: session.offset,
      client: session.principal.id,
      ordered: session.ordered,
      lastUsedAtMs: session.lastUsedMs,
      keptResults: session.keptResults,
      keptBytes: session.resultBytes,
    })
  }
  return { count: sessions.size, sessions: rows }
}

/** `{ limit?, cursor? }` → `{ clients: [{ id, publicKey, role, identity }], cursor }`, in order of the keys. */
export function listClients(args: QueryArguments, clients: ClientTable): unknown {
  const reader = new ArgumentReader(args)
  const limit = reader.limit()
  const after = reader.cursor(CLIENT_SPACE, endOfPrefix(CLIENT_SPACE))
  reader.end()
  const behind = clients.list().filter(({ key }) => after === null || stateKey(key) > after)
  const page = behind.slice(0, limit)
  const last = page.at(-1)
  return {
    clients: page.map(({ id, key, role, identity }) => ({
      id,
      publicKey: toHex(key),
      role,
      identity: toHex(identity),
    })),
    cursor: last !== undefined && behind.length > limit ? cursorOf(stateKey(last.key)) : null,
  }
}

function stateKey(clientKey: Uint8Array): string {
  return binaryString(clientKey, 0, clientKey.length, CLIENT_SPACE)
}
