/** `knhk overlay promote`. */
import * as Flags from '@oclif/core/flags'
import { clusterFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { OverlayWriteCommand } from '../../src/terminal/overlays/overlay-command.js'

export default class OverlayPromote extends OverlayWriteCommand {
  static override summary = 'Promote an overlay through its phases; the last one makes it the active configuration.'
  static override description =
    `Phases: Shadow, Test, Validate, Promote, Promoted. Without --to or --step it goes all the way. Each
phase is an operation of its own; the last one checks the base again (exit code 9: IncompatibleBase). An overlay
that is in the phase, or past it, already is a success.`
  static override examples = [
    '<%= config.bin %> overlay promote pause-admission',
    '<%= config.bin %> overlay promote pause-admission --to Validate',
    '<%= config.bin %> overlay promote pause-admission --step --json',
  ]
  static override idempotent = true
  static override baseFlags = clusterFlags
  static override args = { id: requiredArg('Id of the overlay.') }
  static override flags = {
    to: Flags.option({ options: ['Test', 'Validate', 'Promote', 'Promoted'] as const })({
      summary: 'Stop in this phase; Promoted if absent.',
      exclusive: ['step'],
    }),
    step: Flags.boolean({ summary: 'One phase only.' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(OverlayPromote)
    const { promoteOverlay } = await import('../../src/terminal/overlays/promote.js')
    const { client } = await this.connect(flags)
    const to = flags.step ? null : (flags.to ?? 'Promoted')
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    const { report, already } = await promoteOverlay(client, { overlayId: args.id, to }, call)
    if (already) this.note(`overlay ${args.id} is in phase ${report.result.phase} already`)
    await this.printOverlay(report)
  }
}
