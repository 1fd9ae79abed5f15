/**
 * A command that checks a proof offline: all it believes is a cluster file, named by itself or by the
 * directory or context that it belongs to. Nothing is dialled, no key is needed.
 */
import type { FlagInput } from '@oclif/core/interfaces'
import type { Trust } from '../../workflow/receipts/verify.js'
import { ClusterCommand } from '../cluster-command.js'
import { connectionFlags, outputFlags } from '../flags.js'

const { dir, context, cluster } = connectionFlags

export const proofFlags = { ...outputFlags, dir, context, cluster }

interface ProofFlags {
  readonly dir?: string | undefined
  readonly context?: string | undefined
  readonly cluster?: string | undefined
}

export abstract class ProofCommand extends ClusterCommand {
  static override baseFlags: FlagInput = proofFlags

  /** What the cluster file says. Throws `Usage` where nothing names one, `NotFound`, `InvalidClusterFile`. */
  protected async trustOf(flags: ProofFlags): Promise<Trust> {
    const choice = this.targetChoice(flags)
    const isNamed = Object.values(choice).some((value) => value !== undefined)
    const { trustIn } = await import('./trust.js')
    if (this.session !== null && !isNamed) return trustIn(this.session.connection.target.configuration)
    const { resolveClusterFile } = await import('../../cluster/target.js')
    return trustIn(await resolveClusterFile(choice, process.env))
  }
}
