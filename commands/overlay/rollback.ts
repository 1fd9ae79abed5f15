/** `knhk overlay rollback`. */
import * as Flags from '@oclif/core/flags'
import { proposingFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { OverlayWriteCommand } from '../../src/terminal/overlays/overlay-command.js'

export default class OverlayRollback extends OverlayWriteCommand {
  static override summary = 'Roll an overlay back: end it before it is promoted, or take it back while it is the head.'
  static override description =
    `Rolling back a promoted overlay makes the snapshot before it the active one; those promoted after it have
to be rolled back first (NotHead). The genesis snapshot stays (GenesisRollback). Possible in every mode.`
  static override examples = [
    '<%= config.bin %> overlay rollback pause-admission',
    '<%= config.bin %> overlay rollback pause-admission --reason "orders pile up" --json',
  ]
  static override baseFlags = proposingFlags
  static override args = { id: requiredArg('Id of the overlay.') }
  static override flags = { reason: Flags.string({ summary: 'Why; kept with the overlay.', helpValue: 'TEXT' }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(OverlayRollback)
    await this.submitOverlay({ type: 'RollbackOverlay', overlayId: args.id, reason: flags.reason ?? null }, flags)
  }
}
