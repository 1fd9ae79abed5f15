/** `knhk kv put`. */
import { proposingFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { base64Flag, KvWriteCommand } from '../../src/terminal/kv-command.js'
import { bytesOfText } from '../../src/terminal/text-bytes.js'

export default class KvPut extends KvWriteCommand {
  static override summary = 'Store a value under a key.'
  static override examples = ['<%= config.bin %> kv put colour green', '<%= config.bin %> kv put -- -5 negative']
  static override baseFlags = proposingFlags
  static override args = { key: requiredArg('The key.'), value: requiredArg('The value.') }
  static override flags = { base64: base64Flag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvPut)
    const key = bytesOfText(args.key, flags.base64, 'the key')
    const value = bytesOfText(args.value, flags.base64, 'the value')
    await this.submitKv({ operation: 'kv.put', key, value }, flags, (result) => `${result.key} is stored`)
  }
}
