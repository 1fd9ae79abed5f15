/**
 * Small binary files beside the segments: magic, format version, content, checksum; only ever replaced
 * as a whole. docs/data-directory.md has their contents.
 */
import { crc32 } from 'node:zlib'
import { readU32, toUtf8, writeU32 } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { type FileSystem, readWholeFile, writeFileAtomic } from './files.js'

const VERSION = 1
const MAGIC_BYTES = 8
const HEADER_BYTES = MAGIC_BYTES + 4
const CRC_BYTES = 4
const CONTENT_BYTES_MAX = 256 * 1024

export type CheckedReading =
  | { readonly state: 'absent' | 'damaged' }
  | { readonly state: 'sound'; readonly content: Uint8Array }

/** Durable when it resolves. `magic` has eight ASCII characters. */
export function writeCheckedBytes(
  files: FileSystem,
  directory: string,
  name: string,
  magic: string,
  content: Uint8Array,
): Promise<void> {
  const out = new Uint8Array(HEADER_BYTES + content.length + CRC_BYTES)
  out.set(toUtf8(magic))
  writeU32(out, MAGIC_BYTES, VERSION)
  out.set(content, HEADER_BYTES)
  const end = out.length - CRC_BYTES
  writeU32(out, end, crc32(out.subarray(0, end)))
  return writeFileAtomic(files, directory, name, out)
}

/** A larger content than `contentBytesMax` is damage. Throws `UnsupportedFormat` for a sound file of a newer version. */
export async function readCheckedBytes(
  files: FileSystem,
  directory: string,
  name: string,
  magic: string,
  contentBytesMax = CONTENT_BYTES_MAX,
): Promise<CheckedReading> {
  const path = `${directory}/${name}`
  const status = await files.stat(path)
  if (status === null) return { state: 'absent' }
  const bytesMax = HEADER_BYTES + contentBytesMax + CRC_BYTES
  if (status.size > bytesMax) return { state: 'damaged' }
  const bytes = await readWholeFile(files, path, bytesMax)
  if (bytes === null) return { state: 'absent' }
  const end = bytes.length - CRC_BYTES
  if (end < HEADER_BYTES || toUtf8(magic).some((byte, i) => bytes[i] !== byte)) return { state: 'damaged' }
  if (readU32(bytes, end) !== crc32(bytes.subarray(0, end))) return { state: 'damaged' }
  const version = readU32(bytes, MAGIC_BYTES)
  if (version !== VERSION) {
    throw new KnhkError('UnsupportedFormat', `${path} has format ${version}; this version knows ${VERSION}`)
  }
  return { state: 'sound', content: bytes.subarray(HEADER_BYTES, end) }
}
