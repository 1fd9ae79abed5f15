/** docs/schemas: one JSON Schema per command that has a JSON result, and one for errors. */
import type { CommandEntry } from '../../src/terminal/command-list.js'
import type { JsonSchema } from '../../src/terminal/schema.js'
import * as schema from '../../src/terminal/schema.js'

/** Goes up when a field changes its meaning or goes away; new fields alone do not count. */
const VERSION = 1

const ERROR_SCHEMA = schema.record({
  error: schema.record({
    code: schema.text,
    message: schema.text,
    details: { type: 'object' },
    hint: schema.text,
    retryable: schema.flag,
  }),
})

/** File name → text. */
export function schemaDocs(commands: readonly CommandEntry[]): Map<string, string> {
  const files = new Map([
    ['error.json', page('error', 'What every command prints with --json when it fails.', ERROR_SCHEMA)],
  ])
  for (const { id, summary, schema: result } of commands) {
    if (result !== null) files.set(`${id.replaceAll(' ', '-')}.json`, page(id, summary, result))
  }
  return files
}

function page(id: string, summary: string, body: JsonSchema): string {
  const head = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `urn:knhk:${id.replaceAll(' ', '-')}:${VERSION}`,
    title: id === 'error' ? 'Error' : `knhk ${id} --json`,
    description: summary,
  }
  return `${JSON.stringify({ ...head, ...body }, null, 2)}\n`
}
