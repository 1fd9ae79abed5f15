/** `knhk complete`: what the completion script of a shell asks; not for people. */
import { BaseCommand } from '../src/terminal/base-command.js'
import { outputFlags } from '../src/terminal/flags.js'

export default class Complete extends BaseCommand {
  static override summary = 'The names that a shell offers for the last of these words, one a line.'
  static override hidden = true
  static override strict = false
  static override baseFlags = outputFlags

  async run(): Promise<void> {
    const { argv } = await this.parse(Complete)
    const { shellValues } = await import('../src/terminal/completion/shell-values.js')
    const values = await shellValues(argv.map(String), process.env)
    await this.write(values.map((value) => `${value}\n`).join(''))
  }
}
