/**
 * A file that holds one operation, for people: YAML, of which JSON is a part. Strict: repeated keys and
 * aliases are refused, so the file says what it seems to say.
 */
import { readFile, stat } from 'node:fs/promises'
import { KnhkError } from '../base/error.js'
import { fileError } from '../cluster/files.js'

const FILE_BYTES_MAX = 1024 * 1024

/** The mapping in the file. Throws `NotFound`, or `InvalidFile` that says where and what is wrong. */
export async function readOperationFile(path: string): Promise<Readonly<Record<string, unknown>>> {
  let text: string
  try {
    if ((await stat(path)).size > FILE_BYTES_MAX) throw invalidFile(path, `is over ${FILE_BYTES_MAX} bytes`)
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw cause instanceof KnhkError ? cause : fileError(path, 'read', cause)
  }
  const { parseDocument } = await import('yaml')
  const document = parseDocument(text, { uniqueKeys: true, strict: true, prettyErrors: true })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) throw invalidFile(path, `cannot be understood: ${problem.message.split('\n')[0]}`)
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 0 })
  } catch (cause) {
    throw new KnhkError('InvalidFile', `${path} uses aliases, which are not understood here`, {
      cause,
      details: { path },
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidFile(path, 'is no mapping')
  return value as Readonly<Record<string, unknown>>
}

function invalidFile(path: string, why: string): KnhkError {
  return new KnhkError('InvalidFile', `${path} ${why}`, { details: { path } })
}
