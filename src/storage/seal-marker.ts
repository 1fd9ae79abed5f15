/**
 * The file `sealed` beside the segments: written at a clean stop, removed before the log is written
 * again. It says where the log ends, so a log that was cut short while it lay still is told apart
 * from one whose last write was torn by a crash.
 */
import { crc32 } from 'node:zlib'
import { readU32, readU64, toUtf8, writeU32, writeU64 } from '../base/bytes.js'
import { type FileSystem, readWholeFile, writeFileAtomic } from './files.js'
import type { Place } from './segment-header.js'

export const SEAL_MARKER_NAME = 'sealed'
const MARKER_BYTES = 40
const MAGIC = toUtf8('knhkseal')

/** Where a cleanly stopped log ends, and the checksum of its last frame. */
export interface SealMarker extends Place {
  /** Sequence number of the last frame. */
  readonly sequence: number
  readonly crc: number
}

export type MarkerReading =
  | { readonly state: 'absent' | 'damaged' }
  | { readonly state: 'sound'; readonly marker: SealMarker }

export async function writeSealMarker(files: FileSystem, directory: string, marker: SealMarker): Promise<void> {
  const out = new Uint8Array(MARKER_BYTES)
  out.set(MAGIC)
  writeU64(out, 8, marker.segment)
  writeU32(out, 16, marker.offset)
  writeU64(out, 20, marker.sequence)
  writeU32(out, 28, marker.crc)
  writeU32(out, MARKER_BYTES - 4, crc32(out.subarray(0, MARKER_BYTES - 4)))
  await writeFileAtomic(files, directory, SEAL_MARKER_NAME, out)
}

export async function readSealMarker(files: FileSystem, directory: string): Promise<MarkerReading> {
  const path = `${directory}/${SEAL_MARKER_NAME}`
  const status = await files.stat(path)
  if (status === null) return { state: 'absent' }
  if (status.size !== MARKER_BYTES) return { state: 'damaged' }
  const bytes = await readWholeFile(files, path, MARKER_BYTES)
  if (bytes === null) return { state: 'absent' }
  if (bytes.length !== MARKER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) return { state: 'damaged' }
  if (readU32(bytes, MARKER_BYTES - 4) !== crc32(bytes.subarray(0, MARKER_BYTES - 4))) return { state: 'damaged' }
  const marker = {
    segment: readU64(bytes, 8),
    offset: readU32(bytes, 16),
    sequence: readU64(bytes, 20),
    crc: readU32(bytes, 28),
  }
  return { state: 'sound', marker }
}

export async function removeSealMarker(files: FileSystem, directory: string): Promise<void> {
  await files.unlink(`${directory}/${SEAL_MARKER_NAME}`)
  await files.syncDirectory(directory)
}

/** Keeps a marker that no longer says where the log ends, as evidence. */
export async function setSealMarkerAside(files: FileSystem, directory: string): Promise<void> {
  const path = `${directory}/${SEAL_MARKER_NAME}`
  if ((await files.stat(path)) === null) return
  await files.rename(path, `${path}.damaged`)
  await files.syncDirectory(directory)
}
