/** `knhk kv list`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { countFlagWithDefault, readFlag } from '../../src/terminal/flags.js'
import { base64Flag } from '../../src/terminal/kv-command.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { PAGED_ROWS_MAX, pagedQuery } from '../../src/terminal/paged-query.js'
import * as schema from '../../src/terminal/schema.js'
import { bytesOfText, textOfBytes } from '../../src/terminal/text-bytes.js'

const VALUE_WIDTH = 60

interface Pair {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
  readonly index: number
}

export default class KvList extends ClusterCommand {
  static override summary = 'List keys and values in byte order of the keys.'
  static override examples = [
    '<%= config.bin %> kv list --prefix user/',
    '<%= config.bin %> kv list --keys-only --output id',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = schema.record({
    pairs: schema.list(schema.record({ key: schema.text, value: schema.nullable(schema.text), index: schema.integer })),
    cursor: schema.nullable(schema.text),
  })
  static override baseFlags = clusterFlags
  static override flags = {
    prefix: Flags.string({ summary: 'Only keys that begin with this.', helpValue: 'TEXT' }),
    limit: countFlagWithDefault('How many at most.', 1, PAGED_ROWS_MAX, 100),
    cursor: Flags.string({ summary: 'Continue where an earlier list ended.', helpValue: 'CURSOR' }),
    'keys-only': Flags.boolean({ summary: 'Leave the values out.' }),
    base64: base64Flag,
    read: readFlag,
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(KvList)
    const connection = await this.connect(flags)
    const prefix = flags.prefix === undefined ? null : bytesOfText(flags.prefix, flags.base64, '--prefix')
    const page = await pagedQuery<Pair>(connection.client, {
      name: 'kv.list',
      field: 'pairs',
      args: { prefix, keysOnly: flags['keys-only'] },
      limit: flags.limit,
      cursor: flags.cursor ?? null,
      call: { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal },
    })
    const { cursor } = page
    const pairs = page.rows.map(({ key, value, index }) => ({
      key: textOfBytes(key, flags.base64, 'a key'),
      value: value === null ? null : textOfBytes(value, flags.base64, 'a value'),
      index,
    }))
    await this.print({
      value: { pairs, cursor },
      items: pairs,
      ids: pairs.map((pair) => pair.key),
      text: async ({ table, paint }) => {
        const rows = pairs.map(({ key, value, index }) => [key, value === null ? null : shortened(value), index])
        const listed = await table(['key', 'value', 'index'], rows)
        return cursor === null ? listed : `${listed}\n${paint('dim', `There are more: --cursor ${cursor}`)}`
      },
    })
  }
}

function shortened(text: string): string {
  return text.length <= VALUE_WIDTH ? text : `${text.slice(0, VALUE_WIDTH - 1)}…`
}
