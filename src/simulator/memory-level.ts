/** An ordered key-value database in memory, of the same family as the one on disk. */
import { MemoryLevel } from 'memory-level'
import type { LevelLike } from '../storage/state-database.js'

export async function openMemoryLevel(): Promise<LevelLike> {
  const level = new MemoryLevel<Uint8Array, Uint8Array>({ keyEncoding: 'view', valueEncoding: 'view' })
  await level.open()
  return level
}
