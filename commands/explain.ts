/** `knhk explain`. */

import { KnhkError } from '../src/base/error.js'
import { ERROR_CODES, isErrorCode } from '../src/base/error-codes.js'
import { BaseCommand } from '../src/terminal/base-command.js'
import { optionalArg, outputFlags } from '../src/terminal/flags.js'
import * as schema from '../src/terminal/schema.js'
import { nearest } from '../src/terminal/suggest.js'

export default class Explain extends BaseCommand {
  static override summary =
    'Explain an error code: what it means, the exit code, what to do next. All of them without CODE.'
  static override examples = ['<%= config.bin %> explain NoLeader', '<%= config.bin %> explain --json']
  static override exitCodes = [4]
  static override schema = schema.list(
    schema.record({
      code: schema.text,
      exitCode: schema.integer,
      retryable: schema.flag,
      summary: schema.text,
      hint: schema.text,
    }),
  )
  static override baseFlags = outputFlags
  static override args = { code: optionalArg('The code, as in Error [CODE].') }

  async run(): Promise<void> {
    const { args } = await this.parse(Explain)
    const all = Object.entries(ERROR_CODES).map(([code, { exit, retryable, summary, hint }]) => ({
      code,
      exitCode: exit,
      retryable,
      summary,
      hint,
    }))
    const found =
      args.code === undefined ? all : all.filter((entry) => entry.code.toLowerCase() === args.code?.toLowerCase())
    if (found.length === 0) throw unknownCode(args.code ?? '')
    await this.print({
      value: found,
      items: found,
      ids: found.map((entry) => entry.code),
      text: ({ fields, table }) => {
        const [one] = found
        if (one === undefined || args.code === undefined) {
          return table(
            ['code', 'exit', 'retry', 'meaning'],
            found.map((entry) => [entry.code, entry.exitCode, entry.retryable ? 'yes' : 'no', entry.summary]),
          )
        }
        return fields([
          ['code', one.code],
          ['meaning', one.summary],
          ['next', one.hint],
          ['exit code', one.exitCode],
          ['retry', one.retryable ? 'the same call can succeed later' : 'the same call fails again'],
        ])
      },
    })
  }
}

function unknownCode(text: string): KnhkError {
  const codes = Object.keys(ERROR_CODES).filter(isErrorCode)
  const near = nearest(text, codes)
  const hint = near === null ? '`knhk explain` lists them all.' : `Did you mean ${near}?`
  return new KnhkError('NotFound', `there is no error code ${JSON.stringify(text)}`, { hint, details: { code: text } })
}
