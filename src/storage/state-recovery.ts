/**
 * Decides at open whether the applied state can be trusted. LevelDB starts a new write log without
 * syncing the old one, so a crash can lose a flush and keep a later one; the markers of the flushes
 * show it. What cannot be trusted is thrown away: snapshot and log give it again.
 */
import { hasCode } from '../base/error.js'
import type { StateDatabase, StateDatabaseSource } from './state-database.js'
import {
  checkedValue,
  DAMAGE_KEY,
  decodeMarker,
  decodePosition,
  MARKER_KEYS,
  POSITION_KEY,
  REPLACING_KEY,
  type StateIdentity,
  type StateMarker,
  type StatePosition,
} from './state-format.js'

const EMPTY: StatePosition = { appliedIndex: 0, generation: 0, firstMarker: 1 }
const CURSOR_CHUNK = 1000

/** Why the store starts from nothing; null where it continues. */
export type RebuildReason = 'damaged' | 'unreadable' | 'foreign' | 'hole' | null

export interface RecoveredState {
  readonly database: StateDatabase
  readonly position: StatePosition
  /** The markers that are kept, oldest first. */
  readonly markers: StateMarker[]
  readonly rebuilt: RebuildReason
}

/** Opens the database and checks it; wipes it where it cannot be trusted. */
export async function recoverState(source: StateDatabaseSource, identity: StateIdentity): Promise<RecoveredState> {
  let database: StateDatabase
  try {
    database = await source.open()
  } catch (error) {
    if (!hasCode(error, 'Corrupt')) throw error
    return wipe(source, 'unreadable')
  }
  const checked = await check(database, identity)
  return typeof checked === 'string' ? wipe(source, checked) : { database, ...checked, rebuilt: null }
}

async function wipe(source: StateDatabaseSource, rebuilt: RebuildReason): Promise<RecoveredState> {
  await source.destroy()
  return { database: await source.open(), position: EMPTY, markers: [], rebuilt }
}

type Checked = { readonly position: StatePosition; readonly markers: StateMarker[] }

async function check(
  database: StateDatabase,
  identity: StateIdentity,
): Promise<Checked | Exclude<RebuildReason, null>> {
  if (database.getSync(DAMAGE_KEY) !== undefined) return 'damaged'
  if (database.getSync(REPLACING_KEY) !== undefined) return 'hole'
  const stored = database.getSync(POSITION_KEY)
  if (stored === undefined) return (await isEmpty(database)) ? { position: EMPTY, markers: [] } : 'hole'
  const value = checkedValue(POSITION_KEY, stored)
  if (value === null) return 'damaged'
  const position = decodePosition(identity, value)
  if (position === null) return 'foreign'
  const markers = await readMarkers(database)
  if (markers === null) return 'damaged'
  const complete = markers.every((marker, i) => marker.generation === position.firstMarker + i)
  const reachesEnd = position.firstMarker + markers.length === position.generation + 1
  return complete && reachesEnd ? { position, markers } : 'hole'
}

async function isEmpty(database: StateDatabase): Promise<boolean> {
  const cursor = database.cursor(Buffer.alloc(0), Buffer.from([0xff]), false)
  try {
    return (await cursor.next(1)).length === 0
  } finally {
    await cursor.close()
  }
}

/** Null where a marker is damaged. */
async function readMarkers(database: StateDatabase): Promise<StateMarker[] | null> {
  const markers: StateMarker[] = []
  const cursor = database.cursor(MARKER_KEYS.from, MARKER_KEYS.to, false)
  try {
    for (;;) {
      const pairs = await cursor.next(CURSOR_CHUNK)
      if (pairs.length === 0) return markers
      for (const [key, stored] of pairs) {
        const value = checkedValue(key, stored)
        const marker = value === null ? null : decodeMarker(value)
        if (marker === null) return null
        markers.push(marker)
      }
    }
  } finally {
    await cursor.close()
  }
}
