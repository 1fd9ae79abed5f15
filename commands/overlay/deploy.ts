/** `knhk overlay deploy`. */
import * as Flags from '@oclif/core/flags'
import { checkedReadLevel, proposingFlags } from '../../src/terminal/cluster-command.js'
import { requiredArg } from '../../src/terminal/flags.js'
import { submitOperation } from '../../src/terminal/operation-report.js'
import { OverlayWriteCommand } from '../../src/terminal/overlays/overlay-command.js'

export default class OverlayDeploy extends OverlayWriteCommand {
  static override summary = 'Deploy an overlay, a proposed change to the active configuration, into phase Shadow.'
  static override description = `The file is YAML or JSON:
  overlayId: pause-orders        # a random one if absent
  base: active                   # a content hash, genesis, or active (default)
  scope: { workflows: [UUID], patterns: [20], guards: [admission], tags: { team: orders } }
  changes:
    - { type: ModifyGuard, guardName: admission, newValue: closed }
    - { type: TogglePattern, patternId: 20, enabled: false }
    - { type: ScaleMultiInstance, delta: 4 }
    - { type: AdjustPerformance, targetTicks: 6 }
    - { type: AdjustResources, resource: memory, multiplier: 150 }
    - { type: Custom, changeType: own/type, params: {} }
Nothing changes for cases before the overlay is promoted. Exit code 9: the base is not the active snapshot
(IncompatibleBase), or the id is taken (OverlayExists). docs/workflow/overlays.md has every rule.`
  static override examples = [
    '<%= config.bin %> overlay deploy fixtures/overlays/pause-admission.yaml',
    '<%= config.bin %> overlay deploy overlay.json --id release-7 --base active --json',
  ]
  static override baseFlags = proposingFlags
  static override args = { file: requiredArg('The overlay, YAML or JSON.') }
  static override flags = {
    base: Flags.string({
      summary: 'Content hash that it was made against, genesis or active; the one of the file, or active, if absent.',
      helpValue: 'SIGMA',
    }),
    id: Flags.string({ summary: 'Id of the overlay, instead of the one in the file.', helpValue: 'ID' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(OverlayDeploy)
    const { activeSigma, planDeploy } = await import('../../src/terminal/overlays/deploy.js')
    const requestId = flags['request-id']
    const plan = await planDeploy({ requestId, path: args.file, overlayId: flags.id, base: flags.base })
    const connection = await this.connect(flags)
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    const read = checkedReadLevel(undefined, connection)
    const base = plan.base ?? (await activeSigma(connection.client, { ...call, read })).activeSigma
    await this.printOverlay(await submitOperation(connection.client, plan.operation(base), { ...call, requestId }))
  }
}
