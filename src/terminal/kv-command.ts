/** What the key-value commands share: --base64, and one write with its result. */
import * as Flags from '@oclif/core/flags'
import type { TargetChoice } from '../cluster/target.js'
import type { KvOperation } from '../workflow/operations.js'
import { ClusterCommand, type ProposingFlags } from './cluster-command.js'
import { OPERATION_SCHEMA, placeText, submitOperation, WRITE_EXIT_CODES } from './operation-report.js'

export const base64Flag = Flags.boolean({ summary: 'Keys and values are bytes in base64, here and in the result.' })

export abstract class KvWriteCommand extends ClusterCommand {
  static override impact = 'write' as const
  static override exitCodes = WRITE_EXIT_CODES
  static override schema = OPERATION_SCHEMA

  /** `done` says what happened, for people. */
  protected async submitKv(
    kv: KvOperation,
    flags: TargetChoice & ProposingFlags & { readonly base64: boolean },
    done: (result: Readonly<Record<string, unknown>>) => string,
  ): Promise<void> {
    const { kvOperation } = await import('../workflow/kv-codec.js')
    const operation = kvOperation(kv)
    const { client } = await this.connect(flags)
    const report = await submitOperation(client, operation, {
      ...this.submission(flags),
      base64: flags.base64,
    })
    await this.print({
      value: report,
      ids: [String(report.result.key)],
      text: () => `${done(report.result)} ${placeText(report)}`,
    })
  }
}
