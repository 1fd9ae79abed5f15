/** Queries about what the state machine keeps for itself: sessions and clients. They need no reads: both are in memory. */
import { toHex } from '../base/bytes.js'
import { ArgumentReader, type QueryArguments } from './query-args.js'
import type { ClientTable } from './roles.js'
import type { SessionTable } from './sessions.js'

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

/** No arguments → `{ clients: [{ id, publicKey, role }] }`, in order of the keys. */
export function listClients(args: QueryArguments, clients: ClientTable): unknown {
  new ArgumentReader(args).end()
  return { clients: clients.list().map(({ id, key, role }) => ({ id, publicKey: toHex(key), role })) }
}
