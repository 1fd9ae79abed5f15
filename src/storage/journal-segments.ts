/**
 * Which segment files there are, what their headers say, and which parts of them count: a segment
 * that resumes behind damage takes what lies between out of the journal, as evidence.
 */
import type { FileSystem } from './files.js'
import {
  decodeSegmentHeader,
  frameSeed,
  headerChecksum,
  type Place,
  parseSegmentName,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
} from './segment-header.js'

export interface SegmentFile {
  readonly segment: number
  readonly path: string
  /** Bytes at the time of listing; a running node may have added some since. */
  readonly size: number
  /** Null where it is damaged. */
  readonly header: SegmentHeader | null
  /** Seed of the frame checksums. Of a damaged header one of two: as it stands there, or as the rest of it gives. */
  readonly seeds: readonly number[]
}

/** A segment as part of the journal. */
export interface SegmentPiece {
  readonly file: SegmentFile
  /** Where the journal leaves this segment early, because a later one resumes from there; null: at its end. */
  readonly cutAt: number | null
}

export async function listSegments(files: FileSystem, directory: string): Promise<SegmentFile[]> {
  const found: SegmentFile[] = []
  // Newest first: what a running node appends meanwhile can then never make an older one look cut short.
  for (const name of (await files.readdir(directory)).reverse()) {
    const segment = parseSegmentName(name)
    if (segment === null) continue
    const path = `${directory}/${segmentName(segment)}`
    const status = await files.stat(path)
    if (status === null) continue
    found.push({ segment, path, size: status.size, ...(await readHeader(files, path)) })
  }
  return found.reverse()
}

async function readHeader(files: FileSystem, path: string): Promise<Pick<SegmentFile, 'header' | 'seeds'>> {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
  const handle = await files.open(path, 'read')
  try {
    const count = await handle.read(bytes, 0)
    const header = count < bytes.length ? null : decodeSegmentHeader(bytes)
    return { header, seeds: header === null ? [frameSeed(bytes), headerChecksum(bytes)] : [frameSeed(bytes)] }
  } finally {
    await handle.close()
  }
}

/** The pieces of the journal in order, and the places where evidence of damage was left out. */
export function planPieces(segments: readonly SegmentFile[]): { pieces: SegmentPiece[]; resumptions: Place[] } {
  const pieces: SegmentPiece[] = []
  const resumptions: Place[] = []
  let cut: Place | null = null
  for (let i = segments.length - 1; i >= 0; i--) {
    const file = segments[i] as SegmentFile
    if (cut !== null && file.segment > cut.segment) continue
    pieces.unshift({ file, cutAt: cut !== null && file.segment === cut.segment ? cut.offset : null })
    if (cut !== null && file.segment === cut.segment) cut = null
    const resumesFrom: Place | null = file.header?.resumesFrom ?? null
    if (resumesFrom !== null && resumesFrom.segment < file.segment) {
      cut = resumesFrom
      resumptions.unshift(resumesFrom)
    }
  }
  return { pieces, resumptions }
}
