/** `knhk repl`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, clusterFlags } from '../src/terminal/cluster-command.js'
import { WRITE_EXIT_CODES } from '../src/terminal/operation-report.js'

export default class Repl extends ClusterCommand {
  static override summary = 'The same commands in one session, over one connection.'
  static override description =
    `On a terminal: completion, history, notices when the leader changes. From --file or piped input the lines run one
after the other and the first failure stops the script: exit code 3, with the line and its code. --eval ends with the
command's own exit code.`
  static override examples = [
    '<%= config.bin %> repl --dir ./demo',
    `<%= config.bin %> repl --eval 'kv put a 1' --eval 'kv get a'`,
    '<%= config.bin %> repl --file setup.knhk --keep-going',
    `echo 'status --json' | <%= config.bin %> repl`,
  ]
  static override impact = 'write' as const
  static override idempotent = false
  static override exitCodes = [3, ...WRITE_EXIT_CODES]
  static override baseFlags = clusterFlags
  static override flags = {
    eval: Flags.string({
      char: 'e',
      summary: 'Run this and end; may be given again.',
      helpValue: 'LINE',
      multiple: true,
      multipleNonGreedy: true,
      exclusive: ['file'],
    }),
    file: Flags.string({
      char: 'f',
      summary: 'Run the lines of this file and end; - for standard input.',
      helpValue: 'FILE',
    }),
    'keep-going': Flags.boolean({ char: 'k', summary: 'Go on after a line that failed; the exit code is still 3.' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Repl)
    const { runRepl } = await import('../src/terminal/repl/run-repl.js')
    const exitCode = await runRepl({
      config: this.config,
      choice: this.targetChoice(flags),
      format: this.format,
      evaluate: flags.eval ?? [],
      file: flags.file ?? null,
      keepGoing: flags['keep-going'],
      noColour: flags['no-color'],
      signal: this.signal,
    })
    this.endWith(exitCode)
  }
}
