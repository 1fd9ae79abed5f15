/** Where `propose` gets its lines from: flags, a file, or standard input. */
import { open } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import { toUtf8 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { fileError } from '../cluster/files.js'
import { type ByteLine, byteLines } from './byte-lines.js'

export { LINE_BYTES_MAX, proposeLines } from './propose-lines.js'

/**
 * `file` null: the operations given as flags. Throws `NotFound` or `InvalidFile`. The signal ends a wait
 * for the next line, which can be long where a person or a slow program writes them.
 */
export async function openLines(
  file: string | null,
  operations: readonly string[],
  lengthMax: number,
  signal: AbortSignal,
): Promise<AsyncIterable<ByteLine>> {
  if (file === null) return linesOf(operations)
  if (file === '-') return byteLines(abortable(process.stdin, signal), lengthMax)
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw fileError(file, 'read', cause)
  })
  if ((await handle.stat()).isDirectory()) {
    await handle.close()
    throw new KnhkError('InvalidFile', `${file} is a directory`, { details: { path: file } })
  }
  return byteLines(abortable(handle.createReadStream(), signal), lengthMax)
}

function abortable(stream: Readable, signal: AbortSignal): AsyncIterable<Uint8Array> {
  return addAbortSignal(signal, stream)
}

async function* linesOf(operations: readonly string[]): AsyncGenerator<ByteLine> {
  for (const [i, text] of operations.entries()) yield { number: i + 1, bytes: toUtf8(text) }
}
