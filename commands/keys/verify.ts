/** `knhk keys verify`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags, requiredArg } from '../../src/terminal/flags.js'
import { VERIFIED_SCHEMA } from '../../src/terminal/key-schema.js'

export default class KeysVerify extends BaseCommand {
  static override summary = 'Check a signature of `keys sign`; exit code 10 where it does not hold.'
  static override examples = [
    '<%= config.bin %> keys verify ./plan.json --key ./keys/alice.pub --signature plan.json.sig',
    '<%= config.bin %> keys verify ./plan.json --key r2DApnQK6WmlAnHSqBW3ndvPQpKjslwHvtqYt7EADmY= --signature plan.json.sig --json',
  ]
  static override exitCodes = [4, 10]
  static override schema = VERIFIED_SCHEMA
  static override baseFlags = outputFlags
  static override args = { file: requiredArg('What was signed; - for standard input.') }
  static override flags = {
    key: Flags.string({
      summary: 'Whose signature it should be: a .pub file or base64.',
      required: true,
      helpValue: 'KEY',
    }),
    signature: Flags.string({ summary: 'The signature: a file, or base64.', required: true, helpValue: 'SIGNATURE' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KeysVerify)
    const { verifiedOutput, verifyContent } = await import('../../src/terminal/file-signature.js')
    const verified = await verifyContent(args.file, flags.key, flags.signature, this.session === null)
    await this.print(verifiedOutput(verified))
    if (!verified.ok) this.endWith(10)
  }
}
