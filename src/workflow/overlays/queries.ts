/**
 * Queries about overlays and the configuration: overlays with paging, one overlay, a snapshot, the chain
 * of Σ*, the moves of its head, and the difference of two snapshots.
 */
import { toHex } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { ArgumentReader, cursorOf, invalid, type QueryArguments } from '../query-args.js'
import { type Pair, type Query, type RangeOptions, readKey, readPage } from '../query-reads.js'
import type { ClientTable } from '../roles.js'
import {
  bytesOfBinaryString,
  endOfPrefix,
  OVERLAY_SPACE,
  readU32Key,
  readU64Key,
  SIGMA_MOVE_SPACE,
  SIGMA_SNAPSHOT_SPACE,
  SIGMA_SPACE,
} from '../state-keys.js'
import { isName, isSigma } from './form.js'
import { changeToJson } from './json.js'
import { OVERLAY_PHASES, type OverlayPhase } from './overlay.js'
import {
  decodeGovernance,
  decodeMove,
  decodeOverlay,
  decodeSnapshotRecord,
  type Governance,
  genesisRecord,
  type OverlayRecord,
  overlayKey,
  type SnapshotRecord,
  snapshotKey,
} from './record.js'
import { settingsDifference, sortedSettings } from './settings.js'
import { GENESIS_SIGMA, SIGMA_BYTES } from './snapshot.js'

function summary(overlayId: string, record: OverlayRecord) {
  const first = record.steps[0]
  const last = record.steps.at(-1)
  return {
    overlayId,
    phase: record.phase,
    base: record.base,
    sigma: record.sigma,
    composition: record.composition === null ? null : { ...record.composition },
    changes: record.parts.reduce((sum, part) => sum + part.changes.length, 0),
    reason: record.reason,
    createdAtMs: first?.atMs ?? 0,
    createdIndex: first?.index ?? 0,
    updatedAtMs: last?.atMs ?? 0,
    updatedIndex: last?.index ?? 0,
  }
}

/**
 * `{ phase?, limit?, reverse?, cursor? }` → `{ overlays, cursor }`, in order of the ids; `cursor` null
 * means that there is no more.
 */
export function* listOverlays(args: QueryArguments): Query {
  const reader = new ArgumentReader(args)
  const phase = reader.text('phase')
  if (phase !== null && !(OVERLAY_PHASES as readonly string[]).includes(phase)) {
    throw invalid('phase', `is not one of ${OVERLAY_PHASES.join(', ')}`)
  }
  const limit = reader.limit()
  const range = rangeOf(OVERLAY_SPACE, reader)
  reader.end()
  const page = yield* readPage(range, limit, (pair) => overlayRow(pair, phase as OverlayPhase | null))
  return { overlays: page.rows, cursor: page.more && page.lastKey !== null ? cursorOf(page.lastKey) : null }
}

// biome-ignore lint/correctness/useYield: a row needs no further read, but rows are generators
function* overlayRow({ key, value }: Pair, phase: OverlayPhase | null): Query<{ row: unknown; bytes: number }> {
  const record = decodeOverlay(value)
  return { row: phase === null || record.phase === phase ? summary(key.slice(1), record) : null, bytes: value.length }
}

/** `{ overlayId }` → the overlay with its parts and steps. Throws `OverlayNotFound`, `InvalidArgument`. */
export function* getOverlay(args: QueryArguments, clients: ClientTable): Query {
  const reader = new ArgumentReader(args)
  const overlayId = requiredText(reader, 'overlayId')
  reader.end()
  const record = yield* readOverlay(overlayId)
  return {
    ...summary(overlayId, record),
    parts: record.parts.map(({ scope, changes }) => ({ scope, changes: changes.map(changeToJson) })),
    steps: record.steps.map(({ phase, index, position, atMs, actor }) => ({
      phase,
      index,
      position,
      atMs,
      actor: clients.findByIdentity(actor)?.id ?? null,
      actorKey: toHex(actor),
    })),
  }
}

/**
 * `{ limit?, cursor? }` → `{ activeSigma, mode, height, openOverlays, snapshots: [{ sigma, parent,
 * overlayId, settings, promotedIndex, promotedAtMs }], cursor }`, from the head back to genesis.
 */
export function* sigmaChain(args: QueryArguments): Query {
  const reader = new ArgumentReader(args)
  const limit = reader.limit()
  const after = reader.cursor(SIGMA_SNAPSHOT_SPACE, endOfPrefix(SIGMA_SNAPSHOT_SPACE))
  reader.end()
  if (after !== null && after.length !== 1 + SIGMA_BYTES)
    throw invalid('cursor', 'is not one that a page of this query gave')
  const { head, mode, height, open } = yield* readGovernance()
  const snapshots: unknown[] = []
  let next: string | null = after === null ? head : toHex(bytesOfBinaryString(after, 1))
  while (next !== null && snapshots.length < limit) {
    const { promotion, snapshot }: SnapshotRecord = yield* readSnapshotRecord(next)
    snapshots.push({
      sigma: next,
      parent: snapshot.parent,
      overlayId: promotion?.overlayId ?? null,
      settings: snapshot.settings.size,
      promotedIndex: promotion?.index ?? null,
      promotedAtMs: promotion?.atMs ?? null,
    })
    next = snapshot.parent
  }
  const cursor = next === null ? null : cursorOf(snapshotKey(next))
  return { activeSigma: head, mode, height, openOverlays: open, snapshots, cursor }
}

/** `{ sigma? }` → `{ sigma, parent, settings: [{ path, value }] }`; Σ* where none is named. Throws `NotFound`. */
export function* getSigma(args: QueryArguments): Query {
  const reader = new ArgumentReader(args)
  const sigma = yield* resolveSigma(reader.text('sigma') ?? 'active')
  reader.end()
  const { snapshot } = yield* readSnapshotRecord(sigma)
  const settings = sortedSettings(snapshot.settings).map(([path, value]) => ({ path, value }))
  return { sigma, parent: snapshot.parent, settings }
}

/**
 * `{ from, to }` → `{ from, to, changes: [{ path, from, to }] }`, null where a side has no such setting.
 * Each is a content hash, `genesis`, `active`, or an overlay, which stands for its Σ'.
 */
export function* diffSigma(args: QueryArguments): Query {
  const reader = new ArgumentReader(args)
  const [from, to] = [requiredText(reader, 'from'), requiredText(reader, 'to')]
  reader.end()
  const a = yield* resolveSigma(from)
  const b = yield* resolveSigma(to)
  const before = yield* readSnapshotRecord(a)
  const after = yield* readSnapshotRecord(b)
  return { from: a, to: b, changes: settingsDifference(before.snapshot.settings, after.snapshot.settings) }
}

/**
 * `{ limit?, reverse?, cursor? }` → `{ moves: [{ index, position, from, to, overlayId, atMs, actor,
 * actorKey }], cursor }`: how Σ* moved, promotions and roll-backs, oldest first.
 */
export function* sigmaHistory(args: QueryArguments, clients: ClientTable): Query {
  const reader = new ArgumentReader(args)
  const limit = reader.limit()
  const range = rangeOf(SIGMA_MOVE_SPACE, reader)
  reader.end()
  const page = yield* readPage(range, limit, (pair) => moveRow(pair, clients))
  return { moves: page.rows, cursor: page.more && page.lastKey !== null ? cursorOf(page.lastKey) : null }
}

// biome-ignore lint/correctness/useYield: a row needs no further read, but rows are generators
function* moveRow({ key, value }: Pair, clients: ClientTable): Query<{ row: unknown; bytes: number }> {
  const { actor, ...move } = decodeMove(value)
  const row = {
    index: readU64Key(key, 1),
    position: readU32Key(key, 9),
    ...move,
    actor: clients.findByIdentity(actor)?.id ?? null,
    actorKey: toHex(actor),
  }
  return { row, bytes: value.length }
}

function rangeOf(space: string, reader: ArgumentReader): RangeOptions {
  const to = endOfPrefix(space)
  return { from: space, to, reverse: reader.flag('reverse'), after: reader.cursor(space, to) }
}

function* readGovernance(): Query<Governance> {
  return decodeGovernance(yield* readKey(SIGMA_SPACE))
}

function* readOverlay(overlayId: string): Query<OverlayRecord> {
  const stored = yield* readKey(overlayKey(overlayId))
  if (stored === undefined) {
    const details = { overlayId: overlayId.slice(0, 80) }
    throw new KnhkError('OverlayNotFound', `there is no overlay ${details.overlayId}`, { details })
  }
  return decodeOverlay(stored)
}

function* resolveSigma(name: string): Query<string> {
  if (name === 'genesis') return GENESIS_SIGMA
  if (name === 'active') return (yield* readGovernance()).head
  return isSigma(name) ? name : (yield* readOverlay(name)).sigma
}

function* readSnapshotRecord(sigma: string): Query<SnapshotRecord> {
  if (sigma === GENESIS_SIGMA) return genesisRecord()
  const stored = yield* readKey(snapshotKey(sigma))
  if (stored === undefined) {
    throw new KnhkError('NotFound', `there is no snapshot ${sigma}`, { details: { sigma } })
  }
  return decodeSnapshotRecord(stored)
}

function requiredText(reader: ArgumentReader, name: string): string {
  const text = reader.text(name)
  if (text === null || text === '') throw invalid(name, 'is missing')
  if (!isName(text)) throw invalid(name, 'is not the name of an overlay or a snapshot')
  return text
}
