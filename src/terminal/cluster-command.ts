/**
 * A command that talks to a cluster: it finds out to which, shares the REPL's connection where there
 * is one, and closes its own at the end.
 */
import type { FlagInput } from '@oclif/core/interfaces'
import { KnhkError } from '../base/error.js'
import type { CallOptions, ReadLevel } from '../client/api.js'
import type { TargetChoice } from '../cluster/target.js'
import type { ProtocolName } from '../consensus/types.js'
import { BaseCommand } from './base-command.js'
import { type Connection, openConnection } from './connection.js'
import { connectionFlags, outputFlags, timeoutFlag } from './flags.js'
import { requestIdFlag } from './request-id.js'

export const CALL_TIMEOUT_MS = 10_000

const READ_LEVELS: Readonly<Record<ProtocolName, readonly string[]>> = {
  raft: ['linearizable', 'lease', 'local'],
  pbft: ['linearizable', 'leader', 'local'],
  hotstuff: ['linearizable', 'leader', 'local'],
  hybrid: ['linearizable', 'leader', 'local'],
}

export const clusterFlags = { ...outputFlags, ...connectionFlags, timeout: timeoutFlag(CALL_TIMEOUT_MS) }

/** Of a command that proposes one operation. */
export const proposingFlags = { ...clusterFlags, 'request-id': requestIdFlag }

/** What `submitOperation` takes from the flags. */
export interface ProposingFlags {
  readonly timeout: number
  readonly 'request-id'?: string | undefined
}

type TargetFlags = { readonly [Name in keyof TargetChoice]?: string | undefined }

export abstract class ClusterCommand extends BaseCommand {
  static override baseFlags: FlagInput = clusterFlags
  #own: Connection | null = null

  /** `flags` are the parsed ones; only those on the command line count, the environment comes after. */
  protected async connect(flags: TargetFlags): Promise<Connection> {
    const choice = this.targetChoice(flags)
    const isNamed = Object.values(choice).some((value) => value !== undefined)
    if (this.session !== null && !isNamed) return this.session.connection
    this.#own = await openConnection(choice, process.env)
    return this.#own
  }

  /** How the command's one operation is submitted. */
  protected submission(flags: ProposingFlags): CallOptions & { readonly requestId: string | undefined } {
    return { timeoutMs: flags.timeout, signal: this.signal, requestId: flags['request-id'] }
  }

  /** What the command line itself says about the target. */
  protected targetChoice(flags: TargetFlags): TargetChoice {
    const explicit = (name: keyof TargetChoice) => (this.given.has(name) ? flags[name] : undefined)
    return {
      dir: explicit('dir'),
      context: explicit('context'),
      cluster: explicit('cluster'),
      key: explicit('key'),
      endpoints: explicit('endpoints'),
    }
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    await this.#own?.close()
    await super.finally(error)
  }
}

/** Throws `UnsupportedRead` for a level that the protocol does not offer. */
export function checkedReadLevel(level: string | undefined, { target }: Connection): ReadLevel {
  const { protocol } = target.configuration
  const levels = READ_LEVELS[protocol]
  const chosen = level ?? 'linearizable'
  if (!levels.includes(chosen)) {
    throw new KnhkError('UnsupportedRead', `${protocol} offers no read level ${JSON.stringify(chosen)}`, {
      hint: `Levels: ${levels.join(', ')}.`,
      details: { protocol, level: chosen },
    })
  }
  return chosen as ReadLevel
}
