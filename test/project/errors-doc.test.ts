/** docs/errors.md says what the error table says; `UPDATE_DOCS=1` writes it anew. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/base/error-codes.js'

const FILE = fileURLToPath(new URL('../../docs/errors.md', import.meta.url))

function render(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, entry]) =>
      `| \`${code}\` | ${entry.exit} | ${entry.retryable ? 'yes' : 'no'} | ${entry.summary} | ${entry.hint} |`,
  )
  return `# Errors

Every error has a code, an exit code, and what to do next; \`knhk explain CODE\` prints the same. Made from
\`src/base/error-codes.ts\` by a test: do not edit. "Retry" means that the same call, made again unchanged, can succeed.

Exit codes that are no error of ours: 0 ok, 130 interrupted, 143 terminated.

| code | exit | retry | what happened | what to do |
|---|---|---|---|---|
${rows.join('\n')}
`
}

it('docs/errors.md is current', async () => {
  if (process.env.UPDATE_DOCS === '1') await writeFile(FILE, render())
  expect(await readFile(FILE, 'utf8')).toBe(render())
})
