/** Which words of a line are names that the cluster, or this machine, knows: one table for the shell and the REPL. */

export const VALUE_KINDS = ['node', 'context', 'case', 'policy', 'overlay', 'client'] as const
export type ValueKind = (typeof VALUE_KINDS)[number]

/** Commands (with colons) whose arguments are such names. */
export const ARGUMENT_KINDS: Readonly<Record<string, ValueKind>> = {
  'case:cancel': 'case',
  'case:complete': 'case',
  'case:fail': 'case',
  'case:get': 'case',
  'case:history': 'case',
  'case:purge': 'case',
  'case:resume': 'case',
  'case:start': 'case',
  'case:suspend': 'case',
  'cluster:clients:remove': 'client',
  'cluster:members:promote': 'node',
  'cluster:members:remove': 'node',
  'cluster:members:replace': 'node',
  'cluster:threat:clear': 'node',
  'cluster:transfer-leader': 'node',
  'context:remove': 'context',
  'context:use': 'context',
  forensics: 'node',
  'log:diff': 'node',
  'overlay:diff': 'overlay',
  'overlay:get': 'overlay',
  'overlay:promote': 'overlay',
  'overlay:rollback': 'overlay',
  'overlay:sigma': 'overlay',
  'policy:retract': 'policy',
}

/** Flags (without dashes) that take such a name, of whichever command. */
export const FLAG_KINDS: Readonly<Record<string, ValueKind>> = {
  client: 'client',
  context: 'context',
  endpoints: 'node',
  node: 'node',
  overlay: 'overlay',
  policy: 'policy',
  promote: 'node',
  remove: 'node',
}

/** What the argument of a command is; null for what nobody can list. `words` are those before it, flags too. */
export function argumentKind(words: readonly string[]): ValueKind | null {
  for (let count = Math.min(3, words.length); count > 0; count--) {
    const kind = ARGUMENT_KINDS[words.slice(0, count).join(':')]
    if (kind !== undefined) return kind
  }
  return null
}
