/** `knhk snapshot inspect`. */
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags, requiredArg } from '../../src/terminal/flags.js'
import { SNAPSHOT_SCHEMA } from '../../src/terminal/snapshots/schemas.js'

export default class SnapshotInspect extends BaseCommand {
  static override summary = 'Show what a snapshot file holds: its place in the log, its digests, what it is made of.'
  static override examples = [
    '<%= config.bin %> snapshot inspect backup.snap',
    '<%= config.bin %> snapshot inspect backup.snap --json',
  ]
  static override exitCodes = [4, 10]
  static override schema = SNAPSHOT_SCHEMA
  static override baseFlags = outputFlags
  static override args = { file: requiredArg('The snapshot file.') }

  async run(): Promise<void> {
    const { args } = await this.parse(SnapshotInspect)
    const { inspectedOutput, inspectFile } = await import('../../src/terminal/snapshots/file-reports.js')
    await this.print(inspectedOutput(await inspectFile(args.file)))
  }
}
