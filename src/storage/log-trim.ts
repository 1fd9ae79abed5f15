/**
 * Which segments a log with a new base keeps, and the removal of the others.
 */
import { assert } from '../base/assert.js'
import type { FileSystem } from './files.js'
import { parseSegmentName } from './segment-header.js'

/**
 * The newest segment from which everything after the base can be read: at most `wanted`, where the first
 * entry after the base lies. `next` is that entry's index.
 */
export function firstKept(
  segmentStarts: ReadonlyMap<number, number>,
  wanted: number,
  next: number,
): { readonly firstSegment: number; readonly firstNext: number } {
  let firstSegment = 0
  for (const [segment, start] of segmentStarts) {
    // A segment that begins above the base reaches below it by a truncation: not a place to begin reading.
    if (segment <= wanted && start <= next) firstSegment = segment
  }
  const firstNext = segmentStarts.get(firstSegment)
  assert(firstNext !== undefined, 'some segment begins at the base or before')
  return { firstSegment, firstNext }
}

/** Removes the segments below `first`, which a durable base names; returns how many bytes they had. */
export async function dropSegments(files: FileSystem, directory: string, first: number): Promise<number> {
  let bytes = 0
  for (const name of await files.readdir(directory)) {
    const segment = parseSegmentName(name)
    if (segment === null || segment >= first) continue
    bytes += (await files.stat(`${directory}/${name}`))?.size ?? 0
    await files.unlink(`${directory}/${name}`)
  }
  if (bytes > 0) await files.syncDirectory(directory)
  return bytes
}
