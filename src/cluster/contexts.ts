/**
 * Contexts: short names for clusters, kept per user, so that `knhk status` needs no paths. One JSON
 * file, replaced atomically; a file of a newer version or a broken one is refused, never overwritten.
 */
import { join, resolve } from 'node:path'
import { KnhkError } from '../base/error.js'
import { readTextIfThere, writeFileAtomically } from './files.js'
import { type Environment, userDirectories } from './user-directories.js'

export const CONTEXTS_MAX = 1_000
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

export interface Context {
  readonly clusterFile: string
  /** Path of the client key, without extension. */
  readonly keyPath: string
  /** Members to talk to (ids or addresses); null for all. */
  readonly endpoints: readonly string[] | null
}

export interface Contexts {
  readonly current: string | null
  readonly contexts: ReadonlyMap<string, Context>
}

export function contextsFile(environment: Environment): string {
  return join(userDirectories(environment).config, 'contexts.json')
}

/** Empty when there is no file. Throws `InvalidFile` for a damaged one. */
export async function readContexts(environment: Environment): Promise<Contexts> {
  const path = contextsFile(environment)
  const text = await readTextIfThere(path)
  if (text === null) return { current: null, contexts: new Map() }
  const file = asRecord(parseJson(path, text))
  const listed = asRecord(file?.contexts)
  if (file?.version !== 1 || listed === null || !isTextOrNull(file.current)) throw damaged(path)
  const contexts = new Map<string, Context>()
  for (const [name, value] of Object.entries(listed)) {
    const context = asContext(value)
    if (context === null || !NAME.test(name)) throw damaged(path)
    contexts.set(name, context)
  }
  return { current: file.current, contexts }
}

/** Adds or replaces a context; the first one becomes current, as does one added with `use`. */
export async function addContext(
  environment: Environment,
  name: string,
  context: Context,
  use = false,
): Promise<Contexts> {
  if (!NAME.test(name)) {
    throw new KnhkError(
      'InvalidArgument',
      `${JSON.stringify(name)} is no context name: letters, digits, dot, dash and underscore, at most 64`,
    )
  }
  const before = await readContexts(environment)
  const contexts = new Map(before.contexts).set(name, absolute(context))
  if (contexts.size > CONTEXTS_MAX) throw new KnhkError('Refused', `there are ${CONTEXTS_MAX} contexts already`)
  return save(environment, { current: use ? name : (before.current ?? name), contexts })
}

/** Throws `NotFound` for an unknown name. */
export async function useContext(environment: Environment, name: string): Promise<Contexts> {
  const { contexts } = await readContexts(environment)
  requireContext(contexts, name)
  return save(environment, { current: name, contexts })
}

/** Removes the name, not the cluster. Throws `NotFound` for an unknown name. */
export async function removeContext(environment: Environment, name: string): Promise<Contexts> {
  const before = await readContexts(environment)
  requireContext(before.contexts, name)
  const contexts = new Map(before.contexts)
  contexts.delete(name)
  return save(environment, { current: before.current === name ? null : before.current, contexts })
}

/** Throws `NotFound` and names what there is. */
export function requireContext(contexts: ReadonlyMap<string, Context>, name: string): Context {
  const found = contexts.get(name)
  if (found !== undefined) return found
  throw new KnhkError('NotFound', `there is no context ${JSON.stringify(name)}`, {
    hint:
      contexts.size === 0
        ? 'Add one with `knhk context add`.'
        : `There are: ${[...contexts.keys()].sort().join(', ')}.`,
    details: { context: name },
  })
}

async function save(environment: Environment, { current, contexts }: Contexts): Promise<Contexts> {
  const file = { version: 1, current, contexts: Object.fromEntries([...contexts].sort(([a], [b]) => (a < b ? -1 : 1))) }
  await writeFileAtomically(contextsFile(environment), `${JSON.stringify(file, null, 2)}\n`, 0o600)
  return { current, contexts }
}

function absolute(context: Context): Context {
  return { ...context, clusterFile: resolve(context.clusterFile), keyPath: resolve(context.keyPath) }
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw damaged(path, cause)
  }
}

function damaged(path: string, cause?: unknown): KnhkError {
  return new KnhkError('InvalidFile', `${path} is not a contexts file of this version`, {
    cause,
    hint: 'Mend it or move it away; nothing was changed.',
    details: { path },
  })
}

function asRecord(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null
}

function asContext(value: unknown): Context | null {
  const record = asRecord(value)
  if (record === null || typeof record.clusterFile !== 'string' || typeof record.keyPath !== 'string') return null
  const { clusterFile, keyPath, endpoints } = record
  if (endpoints === null) return { clusterFile, keyPath, endpoints }
  if (!Array.isArray(endpoints) || !endpoints.every((endpoint) => typeof endpoint === 'string')) return null
  return { clusterFile, keyPath, endpoints }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}
