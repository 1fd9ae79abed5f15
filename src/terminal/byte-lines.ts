/**
 * The lines of a byte stream, numbered from 1, without holding more than one of them. A line over the
 * limit is reported as too long and skipped to its end, so a file without line feeds cannot fill memory.
 */
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

export interface ByteLine {
  readonly number: number
  /** Null for a line over the limit. */
  readonly bytes: Uint8Array | null
}

export async function* byteLines(chunks: AsyncIterable<Uint8Array>, lengthMax: number): AsyncGenerator<ByteLine> {
  let number = 0
  let parts: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start)
      const part = chunk.subarray(start, end === -1 ? chunk.length : end)
      length += part.length
      if (length <= lengthMax) parts.push(part)
      else parts = []
      if (end === -1) break
      yield { number: ++number, bytes: length > lengthMax ? null : join(parts) }
      parts = []
      length = 0
      start = end + 1
    }
  }
  if (length > 0) yield { number: ++number, bytes: length > lengthMax ? null : join(parts) }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = Buffer.concat(parts)
  return whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole
}
