/** `knhk watch changes`. */
import * as Flags from '@oclif/core/flags'
import type { Change } from '../../src/client/changes.js'
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { countFlag } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { CHANGES_SCHEMA } from '../../src/terminal/watch/changes-schema.js'

const COUNT_MAX = 1_000_000_000

export default class WatchChanges extends ClusterCommand {
  static override summary = 'Follow the committed operations, from any place of the log on, as they happen.'
  static override description =
    `One line each, in log order, without gaps and without repetition, over crashes and leader changes. Take it up again
with --after and the place of the last line. What an operation came to does not stand in the log: rejected ones are
among them. --json prints one document of what there is now.`
  static override examples = [
    '<%= config.bin %> watch changes --type CreateCase --output ndjson',
    '<%= config.bin %> watch changes --after 120:3 --key-prefix order/',
    '<%= config.bin %> watch changes --from 1 --json',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = CHANGES_SCHEMA
  static override baseFlags = clusterFlags
  static override flags = {
    from: countFlag(
      'First index; the present end of the log if absent, with --json its beginning.',
      0,
      Number.MAX_SAFE_INTEGER,
    ),
    after: Flags.string({
      summary: 'Continue behind this place.',
      helpValue: 'INDEX:POSITION',
      exclusive: ['from'],
    }),
    type: Flags.string({ summary: 'Only operations of this type, such as CreateCase or Custom.', helpValue: 'TYPE' }),
    case: Flags.string({ summary: 'Only what concerns this case.', helpValue: 'UUID' }),
    'key-prefix': Flags.string({ summary: 'Only keys that begin so.', helpValue: 'TEXT' }),
    count: countFlag('End after so many.', 1, COUNT_MAX),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(WatchChanges)
    const { followChanges, parsePlace } = await import('../../src/terminal/watch/changes.js')
    const after = flags.after === undefined ? null : parsePlace(flags.after)
    const { client } = await this.connect(flags)
    const isStream = this.format !== 'json' && this.format !== 'yaml'
    const changes = followChanges(client, {
      after,
      from: flags.from ?? null,
      type: flags.type ?? null,
      caseId: flags.case ?? null,
      keyPrefix: flags['key-prefix'] ?? null,
      count: flags.count ?? null,
      isStream,
      timeoutMs: flags.timeout,
      signal: this.signal,
    })
    if (isStream) {
      await this.untilInterrupted(this.#stream(changes))
      return
    }
    const all = []
    for await (const change of changes) all.push(change)
    await this.print({ value: { changes: all }, text: () => '' })
  }

  async #stream(changes: AsyncIterable<Change>): Promise<void> {
    const { changeLine } = await import('../../src/terminal/watch/changes.js')
    for await (const change of changes) await this.write(`${changeLine(change, this.format)}\n`)
  }
}
