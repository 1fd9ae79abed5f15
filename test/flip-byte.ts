/** Damages a file: the lowest bit of one byte turns. */
import { open } from 'node:fs/promises'

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
