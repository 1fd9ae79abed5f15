/**
 * Small JSON files of the data directory: readable by people, with a format number and a checksum, and
 * only ever replaced as a whole.
 */
import { crc32 } from 'node:zlib'
import { fromUtf8, toUtf8 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { type FileSystem, readWholeFile, writeFileAtomic } from './files.js'

const FILE_BYTES_MAX = 1024 * 1024

/** Writes `fields` with the format number and the checksum; durable when it resolves. */
export async function writeCheckedJson(
  files: FileSystem,
  directory: string,
  name: string,
  format: number,
  fields: Readonly<Record<string, unknown>>,
): Promise<void> {
  const content = { format, ...fields }
  const text = `${JSON.stringify({ ...content, check: checksum(content) }, null, 2)}\n`
  await writeFileAtomic(files, directory, name, toUtf8(text))
}

/**
 * Reads such a file; null where it does not exist. Throws `Corrupt` where it is damaged and
 * `UnsupportedFormat` where its format number is above `format`.
 */
export async function readCheckedJson(
  files: FileSystem,
  directory: string,
  name: string,
  format: number,
): Promise<Readonly<Record<string, unknown>> | null> {
  const path = `${directory}/${name}`
  const bytes = await readWholeFile(files, path, FILE_BYTES_MAX)
  if (bytes === null) return null
  const { check, ...content } = parseObject(bytes, path)
  const { format: found } = content
  if (typeof found === 'number' && found > format) {
    throw new KnhkError('UnsupportedFormat', `${path} has format ${found}; this version knows ${format}`)
  }
  if (found !== format || check !== checksum(content)) throw new KnhkError('Corrupt', `${path} is damaged`)
  return content
}

function parseObject(bytes: Uint8Array, path: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(fromUtf8(bytes))
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>
  } catch (cause) {
    throw new KnhkError('Corrupt', `${path} is damaged`, { cause })
  }
  throw new KnhkError('Corrupt', `${path} is damaged`)
}

function checksum(content: Readonly<Record<string, unknown>>): string {
  return crc32(toUtf8(JSON.stringify(content)))
    .toString(16)
    .padStart(8, '0')
}
