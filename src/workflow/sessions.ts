/**
 * The table of sessions: exactly-once for every client, as part of the replicated state. A session is
 * named by the place of the operation that opened it, belongs to one client key, and ends by
 * `CloseSession` or after an hour of log time without use. It is kept in memory; `store` writes what
 * changed to the state, so that digests, snapshots and restarts see it.
 */
import { KnhkError } from '../base/error.js'
import {
  EXPIRIES_PER_ENTRY_MAX,
  RESULT_BYTES_MAX,
  SESSION_RESULT_BYTES_MAX,
  SESSION_RESULT_BYTES_SPARE,
  SESSION_TTL_MS,
  SESSIONS_MAX,
} from './limits.js'
import type { ClientTable, Principal } from './roles.js'
import { decodeSessionRecord, Session } from './session-window.js'
import { readU32Key, readU64Key, type StatePort } from './state-keys.js'

const SESSION_KEY_CHARS = 13
const CHUNK_KEY_CHARS = 21

export class SessionTable {
  readonly #state: StatePort
  /** By index of the opening entry; the few that one entry opened lie together. */
  readonly #byIndex = new Map<number, Session[]>()
  #size = 0
  #resultBytes = 0
  #oldest: Session | null = null
  #newest: Session | null = null
  #dirty: Session[] = []

  constructor(state: StatePort) {
    this.#state = state
  }

  get size(): number {
    return this.#size
  }

  /** Opens a session; undefined when the table is full. */
  open(index: number, offset: number, principal: Principal, ordered: boolean, nowMs: number): Session | undefined {
    if (this.#size >= SESSIONS_MAX) return undefined
    const session = new Session(index, offset, principal, ordered, nowMs)
    this.#add(session)
    this.#markDirty(session)
    return session
  }

  /** The open session of this name; undefined when it is unknown, closed or expired. */
  find(index: number, offset: number, nowMs: number): Session | undefined {
    const sessions = this.#byIndex.get(index)
    if (sessions === undefined) return undefined
    for (const session of sessions) {
      if (session.offset === offset) return session.lastUsedMs + SESSION_TTL_MS <= nowMs ? undefined : session
    }
    return undefined
  }

  /** A request of the session is about to run: counts as use, and moves its window. */
  use(session: Session, ackedBelow: number, nowMs: number): void {
    session.lastUsedMs = nowMs
    if (this.#newest !== session) {
      this.#unlink(session)
      this.#link(session)
    }
    this.#resultBytes -= session.acknowledge(ackedBelow)
    this.#markDirty(session)
  }

  /** Keeps the result of an operation until it is acknowledged. */
  keep(session: Session, sequence: number, result: Uint8Array, index: number, position: number): void {
    session.keep(sequence, result, index, position)
    this.#resultBytes += result.length
  }

  /** Whether a large result may be added to what the session holds. */
  hasRoomFor(session: Session, bytes: number): boolean {
    const held = session.resultBytes + bytes
    if (held > SESSION_RESULT_BYTES_MAX) return false
    return this.#resultBytes + bytes <= RESULT_BYTES_MAX || held <= SESSION_RESULT_BYTES_SPARE
  }

  close(session: Session): void {
    session.closed = true
    session.erase(this.#state)
    this.#unlink(session)
    this.#size--
    this.#resultBytes -= session.resultBytes
    const sessions = this.#byIndex.get(session.index) ?? []
    if (sessions.length <= 1) this.#byIndex.delete(session.index)
    else sessions.splice(sessions.indexOf(session), 1)
  }

  /** Ends every session of a client. */
  closeAllOf(principal: Principal): void {
    for (const session of [...this.list()]) if (session.principal === principal) this.close(session)
  }

  countOf(principal: Principal): number {
    let count = 0
    for (const session of this.list()) if (session.principal === principal) count++
    return count
  }

  /** Removes sessions whose time is over, oldest first, a bounded number per entry; `find` refuses the rest. */
  expire(nowMs: number): void {
    for (let removed = 0; removed < EXPIRIES_PER_ENTRY_MAX; removed++) {
      const session = this.#oldest
      if (session === null || session.lastUsedMs + SESSION_TTL_MS > nowMs) return
      this.close(session)
    }
  }

  /** Writes at most `maxSessions` changed sessions; true when none is left. */
  store(maxSessions: number): boolean {
    for (let stored = 0; stored < maxSessions; stored++) {
      const session = this.#dirty.pop()
      if (session === undefined) return true
      session.dirty = false
      if (!session.closed) session.store(this.#state)
    }
    return this.#dirty.length === 0
  }

  /** Takes the pairs of the session space, in key order, at a restart. Throws `Corrupt`. */
  load(pairs: Iterable<{ readonly key: string; readonly value: Uint8Array }>, clients: ClientTable): void {
    const sessions: Session[] = []
    for (const { key, value } of pairs) {
      const index = readU64Key(key, 1)
      const offset = readU32Key(key, 9)
      if (key.length === SESSION_KEY_CHARS) sessions.push(restoreSession(index, offset, value, clients))
      else {
        const session = sessions.at(-1)
        if (key.length !== CHUNK_KEY_CHARS || session?.index !== index || session.offset !== offset) {
          throw new KnhkError('Corrupt', 'results are stored without their session')
        }
        session.restoreChunk(readU64Key(key, SESSION_KEY_CHARS), value)
      }
    }
    sessions.sort((a, b) => a.lastUsedMs - b.lastUsedMs)
    for (const session of sessions) {
      this.#add(session)
      this.#resultBytes += session.resultBytes
    }
  }

  /** Sessions in the order of their last use, oldest first. */
  *list(): Generator<Session> {
    for (let session = this.#oldest; session !== null; session = session.newer) yield session
  }

  #add(session: Session): void {
    const sessions = this.#byIndex.get(session.index)
    if (sessions === undefined) this.#byIndex.set(session.index, [session])
    else sessions.push(session)
    this.#link(session)
    this.#size++
  }

  #markDirty(session: Session): void {
    if (session.dirty) return
    session.dirty = true
    this.#dirty.push(session)
  }

  /** Appends at the newest end: log time never decreases, so the list stays ordered by last use. */
  #link(session: Session): void {
    session.older = this.#newest
    session.newer = null
    if (this.#newest === null) this.#oldest = session
    else this.#newest.newer = session
    this.#newest = session
  }

  #unlink(session: Session): void {
    if (session.older === null) this.#oldest = session.newer
    else session.older.newer = session.newer
    if (session.newer === null) this.#newest = session.older
    else session.newer.older = session.older
  }
}

function restoreSession(index: number, offset: number, record: Uint8Array, clients: ClientTable): Session {
  const fields = decodeSessionRecord(record)
  const principal = clients.findByIdentity(fields.client)
  if (principal === undefined) throw new KnhkError('Corrupt', 'a session belongs to a client that is not there')
  const session = new Session(index, offset, principal, fields.ordered, fields.lastUsedMs)
  session.restore(fields.ackedBelow, fields.next)
  return session
}
