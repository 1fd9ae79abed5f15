/** `knhk kv cas`. */
import * as Flags from '@oclif/core/flags'
import { KnhkError } from '../../src/base/error.js'
import { proposingFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { base64Flag, KvWriteCommand } from '../../src/terminal/kv-command.js'
import { bytesOfText } from '../../src/terminal/text-bytes.js'

export default class KvCas extends KvWriteCommand {
  static override summary = 'Store a value only if the key has the expected one (compare and set).'
  static override examples = [
    '<%= config.bin %> kv cas colour --expected green --value blue',
    '<%= config.bin %> kv cas colour --absent --value green',
  ]
  static override idempotent = false
  static override baseFlags = proposingFlags
  static override args = { key: requiredArg('The key.') }
  static override flags = {
    expected: Flags.string({ summary: 'The value that has to be there.', helpValue: 'V', exclusive: ['absent'] }),
    absent: Flags.boolean({ summary: 'The key must not be there.' }),
    value: Flags.string({ summary: 'The new value.', required: true, helpValue: 'V' }),
    base64: base64Flag,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvCas)
    if (flags.expected === undefined && !flags.absent) {
      throw new KnhkError('Usage', 'what is expected?', { hint: 'Give --expected V or --absent.' })
    }
    const bytes = (text: string, field: string) => bytesOfText(text, flags.base64, field)
    const key = bytes(args.key, 'the key')
    const expected = flags.expected === undefined ? null : bytes(flags.expected, '--expected')
    const kv = { operation: 'kv.cas', key, expected, value: bytes(flags.value, '--value') } as const
    await this.submitKv(kv, flags, (result) => `${result.key} is swapped`)
  }
}
