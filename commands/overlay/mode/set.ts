/** `knhk overlay mode set`. */
import * as Args from '@oclif/core/args'
import { ClusterCommand, proposingFlags } from '../../../src/terminal/cluster-command.js'
import {
  OPERATION_SCHEMA,
  placeText,
  submitOperation,
  WRITE_EXIT_CODES,
} from '../../../src/terminal/operation-report.js'

export default class OverlayModeSet extends ClusterCommand {
  static override summary = 'Set whether the configuration may change: only in mode Normal it may.'
  static override description =
    'In Conservative and Frozen no overlay is deployed, composed or promoted (ModeNotNormal); rolling back stays possible.'
  static override examples = ['<%= config.bin %> overlay mode set Frozen', '<%= config.bin %> overlay mode set Normal']
  static override impact = 'write' as const
  static override exitCodes = WRITE_EXIT_CODES
  static override schema = OPERATION_SCHEMA
  static override baseFlags = proposingFlags
  static override args = {
    mode: Args.option({ options: ['Normal', 'Conservative', 'Frozen'] as const })({
      description: 'Normal, Conservative or Frozen.',
      required: true,
      ignoreStdin: true,
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(OverlayModeSet)
    const { mode } = args
    const { client } = await this.connect(flags)
    const report = await submitOperation(client, { type: 'SetOverlayMode', mode }, this.submission(flags))
    await this.print({ value: report, ids: [mode], text: () => `the mode is ${mode} ${placeText(report)}` })
  }
}
