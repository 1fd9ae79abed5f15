/** `knhk overlay get`. */
import { ClusterCommand, checkedReadLevel, clusterFlags } from '../../src/terminal/cluster-command.js'
import { readFlag, requiredArg } from '../../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../../src/terminal/operation-report.js'
import { OVERLAY_SCHEMA, type OverlayAnswer } from '../../src/terminal/overlays/schemas.js'
import { formatLocalTime } from '../../src/terminal/times.js'

export default class OverlayGet extends ClusterCommand {
  static override summary = 'Show one overlay: what it is about, what it changes, and how it came to its phase.'
  static override examples = [
    '<%= config.bin %> overlay get pause-admission',
    '<%= config.bin %> overlay get pause-admission --json',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = OVERLAY_SCHEMA
  static override baseFlags = clusterFlags
  static override args = { id: requiredArg('Id of the overlay.') }
  static override flags = { read: readFlag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(OverlayGet)
    const connection = await this.connect(flags)
    const call = { read: checkedReadLevel(flags.read, connection), timeoutMs: flags.timeout, signal: this.signal }
    const { value } = await connection.client.query('overlay.get', { overlayId: args.id }, call)
    const overlay = value as OverlayAnswer
    await this.print({
      value: overlay,
      ids: [overlay.overlayId],
      text: ({ fields }) =>
        fields([
          ['overlay', overlay.overlayId],
          ['phase', overlay.phase],
          ['base', overlay.base],
          ['proposed', overlay.sigma],
          [
            'composed of',
            overlay.composition && `${overlay.composition.overlays.join(', ')} (${overlay.composition.strategy})`,
          ],
          ...overlay.parts.flatMap(({ scope, changes }) => [
            ['scope', JSON.stringify(scope)] as const,
            ...changes.map((change) => ['change', JSON.stringify(change)] as const),
          ]),
          ...overlay.steps.map(
            (step) =>
              [
                'step',
                `${step.phase} ${formatLocalTime(step.atMs)} (index ${step.index}:${step.position}, ${step.actor ?? 'a client that left'})`,
              ] as const,
          ),
          ['reason', overlay.reason],
        ]),
    })
  }
}
