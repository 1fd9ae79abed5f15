/**
 * What a shell offers for the word under the cursor, where that is a name: from files of this machine, or asked of the
 * cluster within a second. Whatever goes wrong, nothing is offered: nobody waits for Tab, and nobody reads its errors.
 */
import { readContexts } from '../../cluster/contexts.js'
import { resolveTarget, type TargetChoice } from '../../cluster/target.js'
import type { Environment } from '../../cluster/user-directories.js'
import { openConnection } from '../connection.js'
import { liveValues } from './live-values.js'
import { argumentKind, FLAG_KINDS, type ValueKind } from './value-kinds.js'

const DEADLINE_MS = 1_000
const TARGET_FLAGS = ['dir', 'context', 'cluster', 'key', 'endpoints'] as const

/** `words` are those behind `knhk`, the one under the cursor last. */
export async function shellValues(words: readonly string[], environment: Environment): Promise<string[]> {
  const kind = kindOf(words)
  if (kind === null) return []
  const values = await valuesOf(kind, choiceOf(words), environment).catch(() => [])
  const begun = words.at(-1) ?? ''
  return values.filter((value) => value.startsWith(begun))
}

function kindOf(words: readonly string[]): ValueKind | null {
  const before = words.slice(0, -1)
  const last = before.at(-1) ?? ''
  if (!last.startsWith('--')) return (words.at(-1) ?? '').startsWith('-') ? null : argumentKind(before)
  return FLAG_KINDS[last.slice(2)] ?? null
}

/** The flags that say which cluster, as far as the line is written. */
function choiceOf(words: readonly string[]): TargetChoice {
  const pairs = TARGET_FLAGS.map((name): [string, string | undefined] => {
    const at = words.indexOf(`--${name}`)
    return [name, at >= 0 && at < words.length - 2 ? words[at + 1] : undefined]
  })
  return Object.fromEntries(pairs)
}

async function valuesOf(kind: ValueKind, choice: TargetChoice, environment: Environment): Promise<string[]> {
  if (kind === 'context') return [...(await readContexts(environment)).contexts.keys()]
  if (kind === 'node') return (await resolveTarget(choice, environment)).configuration.members.map(({ id }) => id)
  const connection = await openConnection(choice, environment, DEADLINE_MS)
  try {
    return await liveValues(connection.client, kind, { read: 'local', timeoutMs: DEADLINE_MS })
  } finally {
    await connection.close()
  }
}
