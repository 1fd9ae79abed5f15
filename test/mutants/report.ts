/** The kill matrix: as text for the terminal, as a page for docs/testing/mutants.md. */
import type { KillBudget, Mutant, Verdict } from './mutant.js'

export interface Judged {
  readonly mutant: Mutant
  readonly verdict: Verdict
}

export function matrixText(rows: readonly Judged[]): string {
  const width = Math.max(...rows.map(({ mutant }) => mutant.id.length))
  const lines = rows.map(({ mutant, verdict }) => {
    const by = verdict.killed ? `killed by ${check(verdict)}` : 'SURVIVED'
    return `${mutant.id.padEnd(width)}  ${verdict.seconds.toFixed(1).padStart(6)} s  ${by}`
  })
  const killed = rows.filter(({ verdict }) => verdict.killed).length
  return `${lines.join('\n')}\n${killed} of ${rows.length} killed\n`
}

/** The page; `command` is what makes it. */
export function matrixPage(rows: readonly Judged[], command: string): string {
  const survivors = rows.filter(({ verdict }) => !verdict.killed)
  const table = rows.map(({ mutant, verdict }) =>
    cells([
      `\`${mutant.id}\``,
      mutant.title,
      mutant.pitfall,
      verdict.killed ? check(verdict) : '**survived**',
      verdict.seed === null ? '' : String(verdict.seed),
      verdict.seconds.toFixed(1),
      budget(mutant.killedBy),
    ]),
  )
  return `# The mutation gate

Checks that never fail prove nothing, so bugs are planted and must be found. Each line is one bug, planted in a copy of
the sources (never in the sources themselves), and the first check that noticed it. A check counts only where the same
check passes without the bug. \`${command}\` makes this page; a survivor means that a check is missing, and ends the
gate with exit code 10.

\`npm run test:mutants -- --patch FILE --minutes N --json\` judges one unified diff from outside: scenarios first, then
simulator seeds on three and five nodes, then the unit tests of the engine, within the given minutes. It prints
\`{ killed, by, seed, seconds }\` and ends with 0 when it was killed, 10 when it survived, 2 when the patch cannot be
used. \`--id ID\` judges one mutant of the catalogue, \`--workers N\` sets how many are judged at once.

${rows.length - survivors.length} of ${rows.length} killed.${survivors.length === 0 ? '' : ` Survivors: ${survivors.map(({ mutant }) => `\`${mutant.id}\``).join(', ')}.`}

${cells(['mutant', 'what the code does wrong', 'pitfall', 'killed by', 'seed', 'seconds', 'budget'])}
${cells(['---', '---', '---', '---', '---:', '---:', '---'])}
${table.join('\n')}
`
}

function check({ by, seed }: Verdict): string {
  return seed === null ? (by ?? '') : `${by}, seed ${seed}`
}

function budget({ simulator, tests = [] }: KillBudget): string {
  const parts = simulator === undefined ? [] : [`${simulator.seeds} seeds, ${simulator.nodes} nodes`]
  parts.push('scenarios', ...tests.map(({ file }) => file.replace(/^test\//, '')))
  return parts.join('; ')
}

function cells(values: readonly string[]): string {
  return `| ${values.map((value) => value.replaceAll('|', '\\|')).join(' | ')} |`
}
