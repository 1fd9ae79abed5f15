/**
 * What a start mends before the log is written again: leftovers of a change of the base, a torn tail, a
 * segment that was never used, an end of which nobody knows whether its sync was ever finished.
 */
import type { FileHandle, FileSystem } from './files.js'
import { hasPlace, type LogStart, writeRepaired } from './log-start.js'
import type { ScanResult } from './scan-types.js'
import { removeSealMarker } from './seal-marker.js'
import { type Place, SEGMENT_HEADER_BYTES, segmentName } from './segment-header.js'

/** A crash came between a new base and the end of what it makes superfluous. */
export async function dropLeftovers(
  files: FileSystem,
  directory: string,
  start: LogStart,
  scan: ScanResult,
): Promise<void> {
  if (start.baseState !== 'sound') return
  // The base may have been seen before it was durable; what it replaces goes only after it is.
  await files.syncDirectory(directory)
  for (const { path } of scan.leftovers) await files.unlink(path)
  if (scan.leftovers.length > 0) await files.syncDirectory(directory)
}

/** New damage where an older one was repaired counts again. */
export async function forgetRepair(files: FileSystem, directory: string, start: LogStart, end: Place): Promise<void> {
  const { repaired } = start
  if (!hasPlace(repaired, end)) return
  const kept = repaired.filter((place) => !hasPlace([end], place))
  await writeRepaired(files, directory, kept)
}

/** Cuts the torn tail, drops a segment that was never used, takes the seal marker away. */
export async function tidyLog(files: FileSystem, directory: string, scan: ScanResult): Promise<void> {
  const { unusedSegment, tornTail, lastFrame, end, marker } = scan
  if (unusedSegment !== null) {
    await files.unlink(unusedSegment.path)
    await files.syncDirectory(directory)
  }
  if (tornTail !== null) {
    await withSegment(files, directory, tornTail.segment, async (handle) => {
      await handle.truncate(tornTail.offset)
      await handle.datasync()
    })
  }
  if (lastFrame !== null) await secure(files, directory, lastFrame, lastFrame.bytes)
  // A segment that was made and not written to yet: nobody knows whether its making was ever finished.
  if (end.offset === SEGMENT_HEADER_BYTES) {
    await secure(files, directory, { segment: end.segment, offset: 0 }, SEGMENT_HEADER_BYTES)
    await files.syncDirectory(directory)
  }
  if (marker.state === 'sound') await removeSealMarker(files, directory)
}

/**
 * What ends the journal counts as durable from here on, with the name of its file, but perhaps it only
 * lies in memory: its writer was killed before the sync, or the sync failed, after which the system takes
 * the pages for clean and a further sync does nothing. Writing the same bytes again makes them dirty again.
 */
async function secure(files: FileSystem, directory: string, { segment, offset }: Place, length: number): Promise<void> {
  await withSegment(files, directory, segment, async (handle) => {
    const bytes = new Uint8Array(length)
    await handle.read(bytes, offset)
    await handle.rewrite(bytes, offset)
    await handle.datasync()
  })
}

async function withSegment(
  files: FileSystem,
  directory: string,
  segment: number,
  work: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const handle = await files.open(`${directory}/${segmentName(segment)}`, 'append')
  try {
    await work(handle)
  } finally {
    await handle.close()
  }
}
