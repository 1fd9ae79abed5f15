/** `knhk log export`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { countFlag, outputFlags } from '../../src/terminal/flags.js'
import { EXPORT_SCHEMA, logFlags } from '../../src/terminal/log-flags.js'

export default class LogExport extends BaseCommand {
  static override summary = 'Write the operations of a log to a file, one JSON object a line.'
  static override description =
    `Each line holds index, position, log time, client and the operation. With --bare it is the operation alone, in the
form that \`propose --file\` takes. What an operation came to does not stand in a log, so rejected ones are there too.`
  static override examples = [
    '<%= config.bin %> log export --dir ./demo --node n1 --out audit.ndjson',
    '<%= config.bin %> log export --data-dir ./demo/nodes/n1/data --from 100 --bare --out again.ndjson --json',
  ]
  static override exitCodes = [4, 8, 10]
  static override schema = EXPORT_SCHEMA
  static override baseFlags = outputFlags
  static override flags = {
    ...logFlags,
    dir: Flags.string({ summary: 'Directory of a local cluster.', env: 'KNHK_DIR', helpValue: 'DIR' }),
    from: countFlag('First index.', 0, Number.MAX_SAFE_INTEGER),
    to: countFlag('Last index.', 0, Number.MAX_SAFE_INTEGER),
    out: Flags.string({ summary: 'The file; an existing one is left alone.', required: true, helpValue: 'FILE' }),
    bare: Flags.boolean({ summary: 'Only operations, as `propose` takes them.' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(LogExport)
    const [{ chooseLog }, { exportLog, exportOutput }] = await Promise.all([
      import('../../src/terminal/log-verify.js'),
      import('../../src/terminal/logs/export.js'),
    ])
    const dir = flags.dir ?? this.session?.connection.target.dir ?? undefined
    const { directory } = await chooseLog(flags['data-dir'], dir, flags.node)
    const progress = await this.progress('exporting')
    const report = await exportLog({
      directory,
      from: flags.from ?? null,
      to: flags.to ?? null,
      out: flags.out,
      bare: flags.bare,
      signal: this.signal,
      onProgress: (index) => progress.update(`exported up to ${index}`),
    }).finally(() => progress.stop())
    await this.print(exportOutput(report))
  }
}
