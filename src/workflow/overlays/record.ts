/**
 * What the state holds about overlays, and under which keys. One record tells the head of Σ*, the mode
 * and how many overlays are open; then a record per overlay, per snapshot, and per move of the head.
 * A state without the first record is at genesis in mode Normal, so a cluster begins with nothing stored.
 *
 * Governance: u8 version, u8 mode, 32 bytes head, u32 height, u32 open. Overlay: u8 version, u8 phase, 32 bytes
 * base, 32 bytes sigma, u8 0 or u8 1 and composition (u8 strategy, u16 count, texts), u16 count and parts,
 * u16 count and steps (u8 phase, u64 index, u32 position, u64 time, 32 bytes actor), u8 0 or u8 1 and reason.
 * Snapshot: u8 version, u8 0, or u8 1 with text overlay, u64 index, u64 time of its promotion; content.
 * Move: u8 version, 32 bytes from, 32 bytes to, text overlay, u64 time, 32 bytes actor.
 */
import { ByteReader, ByteWriter, fromHex, toHex } from '../../base/bytes.js'
import { hasCode, KnhkError } from '../../base/error.js'
import { binaryString, OVERLAY_SPACE, SIGMA_MOVE_SPACE, SIGMA_SNAPSHOT_SPACE, u32Key, u64Key } from '../state-keys.js'
import { readCode, readPart, writePart } from './codec.js'
import {
  COMPOSITION_STRATEGIES,
  type CompositionStrategy,
  OVERLAY_MODES,
  OVERLAY_PHASES,
  type OverlayMode,
  type OverlayPart,
  type OverlayPhase,
} from './overlay.js'
import { GENESIS_SIGMA, genesisSnapshot, readSnapshot, SIGMA_BYTES, type Snapshot } from './snapshot.js'

const VERSION = 1
const KEY_BYTES = 32

export interface Governance {
  readonly mode: OverlayMode
  /** Content hash of Σ*, hex. */
  readonly head: string
  /** Promoted snapshots from genesis to the head. */
  readonly height: number
  /** Overlays that are neither promoted nor rolled back. */
  readonly open: number
}

export interface OverlayStep {
  readonly phase: OverlayPhase
  readonly index: number
  readonly position: number
  readonly atMs: number
  /** Client key, 32 bytes. */
  readonly actor: Uint8Array
}

export interface OverlayRecord {
  readonly phase: OverlayPhase
  readonly base: string
  /** Σ': what the configuration is once the overlay is promoted. */
  readonly sigma: string
  readonly composition: { readonly strategy: CompositionStrategy; readonly overlays: readonly string[] } | null
  readonly parts: readonly OverlayPart[]
  /** How it came to its phase: one step for each, the first is Shadow. */
  readonly steps: readonly OverlayStep[]
  readonly reason: string | null
}

export interface SnapshotRecord {
  /** The overlay by which it was last promoted; null for one that never was, and for genesis. */
  readonly promotion: { readonly overlayId: string; readonly index: number; readonly atMs: number } | null
  readonly snapshot: Snapshot
}

export interface SigmaMove {
  readonly from: string
  readonly to: string
  readonly overlayId: string
  readonly atMs: number
  readonly actor: Uint8Array
}

export const GENESIS_GOVERNANCE: Governance = { mode: 'Normal', head: GENESIS_SIGMA, height: 0, open: 0 }

export function overlayKey(overlayId: string): string {
  return OVERLAY_SPACE + overlayId
}

/** `sigma` in hex. */
export function snapshotKey(sigma: string): string {
  return SIGMA_SNAPSHOT_SPACE + binaryString(fromHex(sigma))
}

export function moveKey(index: number, position: number): string {
  return SIGMA_MOVE_SPACE + u64Key(index) + u32Key(position)
}

export function encodeGovernance({ mode, head, height, open }: Governance): Uint8Array {
  return new ByteWriter(48)
    .u8(VERSION)
    .u8(OVERLAY_MODES.indexOf(mode))
    .raw(fromHex(head))
    .u32(height)
    .u32(open)
    .finish()
}

/** `stored` undefined: nothing has changed since genesis. Throws `Corrupt`, like all of these. */
export function decodeGovernance(stored: Uint8Array | undefined): Governance {
  if (stored === undefined) return GENESIS_GOVERNANCE
  return decode(stored, (reader) => {
    const mode = readCode(reader, OVERLAY_MODES)
    const head = toHex(reader.raw(SIGMA_BYTES))
    return { mode, head, height: reader.u32(), open: reader.u32() }
  })
}

export function encodeOverlay(record: OverlayRecord): Uint8Array {
  const out = new ByteWriter(512).u8(VERSION).u8(OVERLAY_PHASES.indexOf(record.phase))
  out.raw(fromHex(record.base)).raw(fromHex(record.sigma))
  if (record.composition === null) out.u8(0)
  else {
    const { strategy, overlays } = record.composition
    out.u8(1).u8(COMPOSITION_STRATEGIES.indexOf(strategy)).u16(overlays.length)
    for (const overlay of overlays) out.text(overlay)
  }
  out.u16(record.parts.length)
  for (const part of record.parts) writePart(out, part)
  out.u16(record.steps.length)
  for (const { phase, index, position, atMs, actor } of record.steps) {
    out.u8(OVERLAY_PHASES.indexOf(phase)).u64(index).u32(position).u64(atMs).raw(actor)
  }
  if (record.reason === null) out.u8(0)
  else out.u8(1).text(record.reason)
  return out.finish()
}

export function decodeOverlay(stored: Uint8Array): OverlayRecord {
  return decode(stored, (reader) => {
    const phase = readCode(reader, OVERLAY_PHASES)
    const base = toHex(reader.raw(SIGMA_BYTES))
    const sigma = toHex(reader.raw(SIGMA_BYTES))
    const composition = reader.flag() ? readComposition(reader) : null
    const parts = Array.from({ length: reader.u16() }, () => readPart(reader))
    const steps = Array.from({ length: reader.u16() }, () => readStep(reader))
    return { phase, base, sigma, composition, parts, steps, reason: reader.flag() ? reader.text() : null }
  })
}

function readComposition(reader: ByteReader) {
  const strategy = readCode(reader, COMPOSITION_STRATEGIES)
  return { strategy, overlays: Array.from({ length: reader.u16() }, () => reader.text()) }
}

function readStep(reader: ByteReader): OverlayStep {
  const phase = readCode(reader, OVERLAY_PHASES)
  return { phase, index: reader.u64(), position: reader.u32(), atMs: reader.u64(), actor: reader.raw(KEY_BYTES) }
}

/** `content` is that of `encodeSnapshot`. */
export function encodeSnapshotRecord(promotion: SnapshotRecord['promotion'], content: Uint8Array): Uint8Array {
  const out = new ByteWriter(content.length + 96).u8(VERSION)
  if (promotion === null) out.u8(0)
  else out.u8(1).text(promotion.overlayId).u64(promotion.index).u64(promotion.atMs)
  return out.raw(content).finish()
}

export function decodeSnapshotRecord(stored: Uint8Array): SnapshotRecord {
  return decode(stored, (reader) => {
    const promotion = reader.flag() ? { overlayId: reader.text(), index: reader.u64(), atMs: reader.u64() } : null
    return { promotion, snapshot: readSnapshot(reader) }
  })
}

/** What every state knows of its beginning, stored or not. */
export function genesisRecord(): SnapshotRecord {
  return { promotion: null, snapshot: genesisSnapshot() }
}

export function encodeMove({ from, to, overlayId, atMs, actor }: SigmaMove): Uint8Array {
  const out = new ByteWriter(192).u8(VERSION).raw(fromHex(from)).raw(fromHex(to))
  return out.text(overlayId).u64(atMs).raw(actor).finish()
}

export function decodeMove(stored: Uint8Array): SigmaMove {
  return decode(stored, (reader) => {
    const from = toHex(reader.raw(SIGMA_BYTES))
    const to = toHex(reader.raw(SIGMA_BYTES))
    return { from, to, overlayId: reader.text(), atMs: reader.u64(), actor: reader.raw(KEY_BYTES) }
  })
}

function decode<T>(stored: Uint8Array, read: (reader: ByteReader) => T): T {
  try {
    const reader = new ByteReader(stored)
    if (reader.u8() !== VERSION) throw new KnhkError('Corrupt', 'a record of overlays has another version')
    const record = read(reader)
    reader.end()
    return record
  } catch (error) {
    if (!hasCode(error, 'ProtocolViolation')) throw error
    throw new KnhkError('Corrupt', 'a record of overlays is malformed', { cause: error })
  }
}
