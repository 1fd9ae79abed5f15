/** Reads a registry: its manifest and every other YAML file of its directory, as plain data. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import { KnhkError } from '../../base/error.js'

export const MANIFEST_FILE = 'manifest.yaml'
const FILES_MAX = 256
const FILE_BYTES_MAX = 4 * 1024 * 1024

export interface RegistryFile {
  readonly name: string
  /** As parsed; null where the YAML is broken, and then `problem` says how. */
  readonly content: unknown
  readonly problem: string | null
}

export interface RegistryFiles {
  readonly directory: string
  /** Null where there is none. */
  readonly manifest: RegistryFile | null
  readonly files: readonly RegistryFile[]
}

/** Throws `NotFound` where there is no such directory, `InvalidFile` for one that is over a limit. */
export async function loadRegistry(directory: string): Promise<RegistryFiles> {
  const names = await readdir(directory).catch((cause: unknown) => {
    throw new KnhkError('NotFound', `there is no registry at ${directory}`, { cause, details: { path: directory } })
  })
  const wanted = names.filter((name) => name.endsWith('.yaml')).sort()
  if (wanted.length > FILES_MAX) throw new KnhkError('InvalidFile', `${directory} holds more than ${FILES_MAX} files`)
  const read = await Promise.all(wanted.map((name) => loadFile(directory, name)))
  return {
    directory,
    manifest: read.find(({ name }) => name === MANIFEST_FILE) ?? null,
    files: read.filter(({ name }) => name !== MANIFEST_FILE),
  }
}

async function loadFile(directory: string, name: string): Promise<RegistryFile> {
  const text = await readFile(join(directory, name), 'utf8')
  if (text.length > FILE_BYTES_MAX) throw new KnhkError('InvalidFile', `${name} is over ${FILE_BYTES_MAX} bytes`)
  const document = parseDocument(text, { uniqueKeys: true, strict: true })
  const problem = document.errors[0] ?? document.warnings[0]
  return problem === undefined
    ? { name, content: document.toJS({ maxAliasCount: 0 }) as unknown, problem: null }
    : { name, content: null, problem: problem.message }
}
