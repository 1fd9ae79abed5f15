/** `knhk keys show`. */
import { resolve } from 'node:path'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags, requiredArg } from '../../src/terminal/flags.js'
import { KEY_SCHEMA } from '../../src/terminal/key-schema.js'

export default class KeysShow extends BaseCommand {
  static override summary =
    'Show the public key and the fingerprint of a key file, and check that its files fit together.'
  static override examples = [
    '<%= config.bin %> keys show ./keys/n4',
    '<%= config.bin %> keys show ./keys/n4.pub --output id',
  ]
  static override exitCodes = [4]
  static override schema = KEY_SCHEMA
  static override baseFlags = outputFlags
  static override args = { path: requiredArg('The key: PATH, PATH.key or PATH.pub.') }

  async run(): Promise<void> {
    const { args } = await this.parse(KeysShow)
    const [{ loadKeyPair, loadPublicKey }, { keyOutput }] = await Promise.all([
      import('../../src/crypto/key-files.js'),
      import('../../src/terminal/key-report.js'),
    ])
    const isPair = !args.path.endsWith('.pub')
    const path = resolve(args.path).replace(/\.(?:key|pub|crt)$/, '')
    const publicKey = isPair ? (await loadKeyPair(path)).publicKey : await loadPublicKey(`${path}.pub`)
    await this.print(keyOutput(path, publicKey, isPair))
  }
}
