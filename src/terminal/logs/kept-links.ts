/** What a node of a hybrid cluster keeps beside its log: how each epoch led to the next one. Read-only. */
import { dirname } from 'node:path'
import { ByteReader } from '../../base/bytes.js'
import { hasCode } from '../../base/error.js'
import { type EpochLink, readLinks } from '../../consensus/hybrid/epoch-links.js'
import { epochDirectoryOf } from '../../storage/data-directory.js'
import { readKept } from '../../storage/evidence-store.js'
import type { FileSystem } from '../../storage/files.js'

/** Of the node whose log stands in `directory`. What cannot be read is left out: its epochs are then not shown. */
export async function keptLinks(files: FileSystem, directory: string): Promise<EpochLink[]> {
  const links: EpochLink[] = []
  for (const content of await readKept(files, epochDirectoryOf(dirname(directory)))) {
    try {
      const reader = new ByteReader(content)
      links.push(...readLinks(reader))
      reader.end()
    } catch (error) {
      // In a cluster of one Byzantine protocol other records stand there.
      if (!hasCode(error, 'ProtocolViolation')) throw error
    }
  }
  return links
}
