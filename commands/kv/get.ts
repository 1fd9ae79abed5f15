/** `knhk kv get`. */
import { KnhkError } from '../../src/base/error.js'
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { readFlag, requiredArg } from '../../src/terminal/flags.js'
import { base64Flag } from '../../src/terminal/kv-command.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { printable } from '../../src/terminal/printer.js'
import * as schema from '../../src/terminal/schema.js'
import { bytesOfText, textOfBytes } from '../../src/terminal/text-bytes.js'

export default class KvGet extends ClusterCommand {
  static override summary = 'Show the value under a key.'
  static override examples = ['<%= config.bin %> kv get colour', '<%= config.bin %> kv get colour --read local --json']
  static override exitCodes = READ_EXIT_CODES
  static override schema = schema.record({ key: schema.text, value: schema.text, index: schema.integer })
  static override baseFlags = clusterFlags
  static override args = { key: requiredArg('The key.') }
  static override flags = { read: readFlag, base64: base64Flag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvGet)
    const key = bytesOfText(args.key, flags.base64, 'the key')
    const connection = await this.connect(flags)
    const answer = await connection.client.query(
      'kv.get',
      { key },
      { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal },
    )
    const { value, index } = answer.value as { value: Uint8Array | null; index: number | null }
    if (value === null) {
      throw new KnhkError('KeyNotFound', `there is no value under ${JSON.stringify(args.key)}`, {
        details: { key: args.key },
      })
    }
    const text = textOfBytes(value, flags.base64, 'the value')
    await this.print({
      value: { key: args.key, value: text, index },
      ids: [args.key],
      // A pipe gets the value as it is.
      text: () => (process.stdout.isTTY === true ? printable(text) : text),
    })
  }
}
