/** Damages a file: the lowest bit of one byte turns; and finds the file of a log where damage hurts. */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'

export async function flipByte(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, offset)
    byte.writeUInt8(byte.readUInt8() ^ 1)
    await file.write(byte, 0, 1, offset)
  } finally {
    await file.close()
  }
}

/** The newest segment of the log in a node's data directory. */
export async function newestSegment(dataDir: string): Promise<string> {
  const directory = join(dataDir, 'log')
  const segments = (await readdir(directory)).filter((name) => name.endsWith('.seg')).sort()
  return join(directory, segments.at(-1) as string)
}
