/** `knhk overlay compose`. */
import * as Flags from '@oclif/core/flags'
import { proposingFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { OverlayWriteCommand } from '../../src/terminal/overlays/overlay-command.js'

export default class OverlayCompose extends OverlayWriteCommand {
  static override summary = 'Compose open overlays with the same base into a new one, in phase Shadow.'
  static override description =
    `Sequential: one after the other, the later wins. Parallel: the scopes have nothing in common
(OverlappingScopes). Merge: scopes may overlap, but no two changes conflict (ConflictingChanges). The overlays
themselves stay as they are.`
  static override examples = [
    '<%= config.bin %> overlay compose release-7 --strategy Merge --overlay pause-admission --overlay no-cancel',
  ]
  static override baseFlags = proposingFlags
  static override args = { id: requiredArg('Id of the new overlay.') }
  static override flags = {
    strategy: Flags.option({ options: ['Sequential', 'Parallel', 'Merge'] as const, required: true })({
      summary: 'How they are joined.',
    }),
    overlay: Flags.string({
      summary: 'An overlay that it is made of, in order; twice or more.',
      helpValue: 'ID',
      required: true,
      multiple: true,
      multipleNonGreedy: true,
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(OverlayCompose)
    const { strategy, overlay: overlays } = flags
    await this.submitOverlay({ type: 'ComposeOverlays', overlayId: args.id, strategy, overlays }, flags)
  }
}
