/** `knhk snapshot verify`. */
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags, requiredArg } from '../../src/terminal/flags.js'
import { VERIFIED_SNAPSHOT_SCHEMA } from '../../src/terminal/snapshots/schemas.js'

export default class SnapshotVerify extends BaseCommand {
  static override summary = 'Check a snapshot file as a whole. Exit code 10 where it is damaged.'
  static override examples = [
    '<%= config.bin %> snapshot verify backup.snap',
    '<%= config.bin %> snapshot verify backup.snap --json',
  ]
  static override exitCodes = [4, 10]
  static override schema = VERIFIED_SNAPSHOT_SCHEMA
  static override baseFlags = outputFlags
  static override args = { file: requiredArg('The snapshot file.') }

  async run(): Promise<void> {
    const { args } = await this.parse(SnapshotVerify)
    const { verifiedOutput, verifyFile } = await import('../../src/terminal/snapshots/file-reports.js')
    const progress = await this.progress('verifying')
    const verified = await verifyFile(args.file).finally(() => progress.stop())
    await this.print(verifiedOutput(verified))
    if (!verified.ok) this.endWith(10)
  }
}
