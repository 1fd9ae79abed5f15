/** `knhk keys sign`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags, requiredArg } from '../../src/terminal/flags.js'
import { SIGNATURE_SCHEMA } from '../../src/terminal/key-schema.js'

export default class KeysSign extends BaseCommand {
  static override summary = 'Sign a file, or standard input, with a key: an approval, a release, a backup.'
  static override description =
    `Signs the SHA-256 of the content under a label of its own, so that such a signature can never pass for one of a
protocol message. \`keys verify\` checks it.`
  static override examples = [
    '<%= config.bin %> keys sign ./plan.json --key ./keys/alice --out plan.json.sig',
    'cat plan.json | <%= config.bin %> keys sign - --key ./keys/alice --json',
  ]
  static override impact = 'write' as const
  static override exitCodes = [4, 8]
  static override schema = SIGNATURE_SCHEMA
  static override baseFlags = outputFlags
  static override args = { file: requiredArg('What to sign; - for standard input.') }
  static override flags = {
    key: Flags.string({
      summary: 'The key that signs: PATH or PATH.key.',
      required: true,
      env: 'KNHK_KEY',
      helpValue: 'FILE',
    }),
    out: Flags.string({ summary: 'Write the signature here; an existing file is left alone.', helpValue: 'FILE' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KeysSign)
    const { signatureOutput, signContent, writeSignature } = await import('../../src/terminal/file-signature.js')
    const signature = await signContent(args.file, flags.key, this.session === null)
    if (flags.out !== undefined) await writeSignature(flags.out, signature)
    await this.print(signatureOutput(signature, flags.out ?? null))
  }
}
