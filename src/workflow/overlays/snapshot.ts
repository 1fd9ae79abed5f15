/**
 * A snapshot of the configuration and its name, the content hash. The parent is part of what is hashed,
 * so snapshots form a chain in which none can be its own ancestor (invariant Q1), and going back to old
 * values gives a new snapshot. Content: text "knhk/sigma/1", 32 bytes parent (zeros for genesis), u32
 * count, then in path order text path, u8 type and value: 0 false, 1 true, 2 integer as u8 sign and u64,
 * 3 text.
 */
import { ByteReader, ByteWriter, toHex } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { SettingValue } from './overlay.js'
import { genesisSettings, type Settings, sortedSettings } from './settings.js'

const FORMAT = 'knhk/sigma/1'
export const SIGMA_BYTES = 32

export interface Snapshot {
  /** Content hash of the snapshot before, hex; null for genesis. */
  readonly parent: string | null
  readonly settings: Settings
}

/** Content hash of the genesis snapshot: the same in every cluster. */
export const GENESIS_SIGMA = '4fcdd6992047394baccfaa24589eb4fc896b965e2786d0b85709b0ac486d027b'

export function genesisSnapshot(): Snapshot {
  return { parent: null, settings: genesisSettings() }
}

/** The content, whose SHA-256 is the snapshot's name. */
export function encodeSnapshot(parent: Uint8Array | null, settings: Settings): Uint8Array {
  const out = new ByteWriter(4_096)
    .text(FORMAT)
    .raw(parent ?? new Uint8Array(SIGMA_BYTES))
    .u32(settings.size)
  for (const [path, value] of sortedSettings(settings)) writeValue(out.text(path), value)
  return out.finish()
}

/** Reads a content back from `reader`. Throws `ProtocolViolation` where it is malformed. */
export function readSnapshot(reader: ByteReader): Snapshot {
  if (reader.text() !== FORMAT)
    throw new KnhkError('ProtocolViolation', 'a snapshot of the configuration has another format')
  const parent = reader.raw(SIGMA_BYTES)
  const settings = new Map<string, SettingValue>()
  for (let left = reader.u32(); left > 0; left--) settings.set(reader.text(), readValue(reader))
  return { parent: parent.some((byte) => byte !== 0) ? toHex(parent) : null, settings }
}

export function decodeSnapshot(content: Uint8Array): Snapshot {
  const reader = new ByteReader(content)
  const snapshot = readSnapshot(reader)
  reader.end()
  return snapshot
}

/** Also the form of a guard's new value in an operation. */
export function writeValue(out: ByteWriter, value: SettingValue): void {
  if (typeof value === 'boolean') out.u8(value ? 1 : 0)
  else if (typeof value === 'number') writeInteger(out.u8(2), value)
  else out.u8(3).text(value)
}

export function readValue(reader: ByteReader): SettingValue {
  const type = reader.u8()
  if (type <= 1) return type === 1
  if (type === 2) return readInteger(reader)
  if (type === 3) return reader.text()
  throw new KnhkError('ProtocolViolation', 'the value of a setting has an unknown type')
}

export function writeInteger(out: ByteWriter, value: number): void {
  out.u8(value < 0 ? 1 : 0).u64(Math.abs(value))
}

export function readInteger(reader: ByteReader): number {
  const negative = reader.flag()
  const magnitude = reader.u64()
  if (negative && magnitude === 0) throw new KnhkError('ProtocolViolation', 'an integer is minus zero')
  return negative ? -magnitude : magnitude
}
