/**
 * oclif's hook for words that name no command: one error with a suggestion, exit code 2, as JSON where
 * that was asked for.
 */
import type { Hook } from '@oclif/core/hooks'
import { painter, wantsColour } from './colours.js'
import { errorJson, errorText, reportError } from './error-report.js'
import { unknownCommand } from './usage-errors.js'

export const commandNotFound: Hook<'command_not_found'> = async ({ id, argv = [], config }) => {
  const commands = config.commands.map((command) => command.id.replaceAll(':', ' '))
  const report = reportError(unknownCommand(id.split(':'), commands))
  process.exitCode = report.exitCode
  if (id === '--json' || argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify(errorJson(report.error), null, 2)}\n`)
    return
  }
  const colour = wantsColour({
    isTTY: process.stderr.isTTY === true,
    environment: process.env,
    forbidden: argv.includes('--no-color'),
  })
  process.stderr.write(`${errorText(report, { verbose: false, paint: painter(colour) })}\n`)
}
