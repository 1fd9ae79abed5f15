/** `knhk keys gen`. */
import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags } from '../../src/terminal/flags.js'
import { KEY_SCHEMA } from '../../src/terminal/key-schema.js'

export default class KeysGen extends BaseCommand {
  static override summary = 'Make an Ed25519 key pair with its certificate, for a node or a client.'
  static override description =
    'Writes PATH.key (only its owner may read it), PATH.pub and PATH.crt. Existing files are never overwritten.'
  static override examples = [
    '<%= config.bin %> keys gen --out ./keys/n4',
    '<%= config.bin %> keys gen --out ~/.config/knhk/alice --json',
  ]
  static override impact = 'write' as const
  static override idempotent = false
  static override exitCodes = [8]
  static override schema = KEY_SCHEMA
  static override baseFlags = outputFlags
  static override flags = {
    out: Flags.string({ summary: 'Where to write, without extension.', required: true, helpValue: 'PATH' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(KeysGen)
    const [{ generateKeyPair }, { writeKeyFiles }, { keyOutput }] = await Promise.all([
      import('../../src/crypto/keys.js'),
      import('../../src/crypto/key-files.js'),
      import('../../src/terminal/key-report.js'),
    ])
    const path = resolve(flags.out)
    const pair = await generateKeyPair()
    await writeKeyFiles(path, pair)
    await this.print(keyOutput(path, pair.publicKey, true))
  }
}
