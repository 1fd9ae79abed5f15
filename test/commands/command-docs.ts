/**
 * docs/commands.md from the commands themselves: what `--help` says, in one page.
 */
import { Config } from '@oclif/core/config'
import { type CommandEntry, listCommands } from '../../src/terminal/command-list.js'
import { projectRoot } from '../project/project-root.js'

const GLOBAL_FLAGS = ['output', 'json', 'quiet', 'verbose', 'no-color']
const CONNECTION_FLAGS = ['dir', 'context', 'cluster', 'key', 'endpoints']

const INTRODUCTION = `# Commands

Made from the commands; \`UPDATE_DOCS=1 npx vitest run test/commands/docs.test.ts\` writes this page again.

Every command takes \`--output table|json|ndjson|yaml|id\` (\`-o\`, KNHK_OUTPUT), \`--json\` (short for \`--output json\`),
\`--quiet\` (\`-q\`), \`--verbose\` and \`--no-color\`, and can end with 0 (ok), 2 (usage), 70 (a defect) and 130
(Ctrl-C). Results go to stdout, everything else to stderr. With \`--json\` stdout holds exactly one JSON document, an
error included: \`{ "error": { "code", "message", "details", "hint", "retryable" } }\`; \`knhk explain CODE\` says more.

Which cluster a command talks to: \`--dir\`, \`--context\` or \`--cluster\` with \`--key\`, and \`--endpoints\`; then
the variables KNHK_DIR, KNHK_CONTEXT, KNHK_CLUSTER, KNHK_KEY and KNHK_ENDPOINTS; then the current context. Durations are
\`10\` (seconds), \`500ms\`, \`2m\`, \`1h\`. See [configuration](configuration.md).
`

export async function commandDocs(): Promise<string> {
  const { commands } = await Config.load({ root: projectRoot })
  const entries = listCommands(commands)
  const sections = entries.map((entry) => {
    const cached = commands.find((command) => command.id.replaceAll(':', ' ') === entry.id)
    const examples = (cached?.examples ?? []).map((example) =>
      typeof example === 'string' ? example : example.command,
    )
    return section(entry, cached?.description ?? '', examples)
  })
  return `${INTRODUCTION}\n${sections.join('\n')}`
}

function section(entry: CommandEntry, description: string, examples: readonly string[]): string {
  const args = entry.args.map((arg) => (arg.required ? arg.name.toUpperCase() : `[${arg.name.toUpperCase()}]`))
  const impact = `${entry.impact}${entry.idempotent ? ', idempotent' : ''}`
  const codes = entry.exitCodes.filter((code) => ![0, 2, 70, 130].includes(code))
  const parts = [
    `## ${['knhk', entry.id, ...args].join(' ')}`,
    entry.summary,
    ...(description === '' ? [] : [`\`\`\`text\n${description}\n\`\`\``]),
    `Impact: ${impact}.${codes.length === 0 ? '' : ` Exit codes besides the common ones: ${codes.join(', ')}.`}`,
    ...parameters(entry),
    `\`\`\`sh\n${examples.map((example) => example.replaceAll('<%= config.bin %>', 'knhk')).join('\n')}\n\`\`\``,
  ]
  return `${parts.join('\n\n')}\n`
}

function parameters(entry: CommandEntry): string[] {
  const args = entry.args.map((arg) => `- \`${arg.name.toUpperCase()}\`: ${arg.summary}`)
  const isCluster = CONNECTION_FLAGS.every((name) => entry.flags.some((flag) => flag.name === name))
  const common = entry.id.startsWith('context') || !isCluster ? GLOBAL_FLAGS : [...GLOBAL_FLAGS, ...CONNECTION_FLAGS]
  const flags = entry.flags
    .filter((flag) => !common.includes(flag.name))
    .map((flag) => {
      const facts = [
        flag.required ? 'required' : null,
        flag.options === null ? null : flag.options.join(', '),
        flag.default === null ? null : `default ${flag.default}`,
        flag.env,
      ].filter((fact) => fact !== null)
      const char = flag.char === null ? '' : `, \`-${flag.char}\``
      return `- \`--${flag.name}\`${char}: ${flag.summary}${facts.length === 0 ? '' : ` (${facts.join('; ')})`}`
    })
  const connects = isCluster && common.length > GLOBAL_FLAGS.length ? ['- the flags of the connection'] : []
  const lines = [...args, ...flags, ...connects]
  return lines.length === 0 ? [] : [lines.join('\n')]
}
