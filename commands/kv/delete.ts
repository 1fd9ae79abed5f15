/** `knhk kv delete`. */
import { proposingFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { base64Flag, KvWriteCommand } from '../../src/terminal/kv-command.js'
import { bytesOfText } from '../../src/terminal/text-bytes.js'

export default class KvDelete extends KvWriteCommand {
  static override summary = 'Remove a key; removing an absent one is no error.'
  static override examples = ['<%= config.bin %> kv delete colour']
  static override baseFlags = proposingFlags
  static override args = { key: requiredArg('The key.') }
  static override flags = { base64: base64Flag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvDelete)
    const key = bytesOfText(args.key, flags.base64, 'the key')
    await this.submitKv({ operation: 'kv.delete', key }, flags, (result) =>
      result.existed === true ? `${result.key} is removed` : `${result.key} was not there`,
    )
  }
}
