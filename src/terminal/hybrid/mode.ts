/** `cluster mode show` and `set`: which protocol decides now, and by whose word that changes. */
import { setTimeout } from 'node:timers/promises'
import { hasCode, KnhkError } from '../../base/error.js'
import type { CallOptions, Client, ClusterStatus } from '../../client/api.js'
import { byzantineFaults } from '../../consensus/quorum.js'
import type { Mode } from '../../consensus/types.js'
import type { Output } from '../printer.js'
import * as schema from '../schema.js'
import { requireReachable } from '../status-report.js'
import { formatLocalTime } from '../times.js'
import { orderAll } from './order-all.js'

export const SETTABLE_MODES = ['raft', 'bft', 'pbft', 'hotstuff'] as const
export type SettableMode = (typeof SETTABLE_MODES)[number]

export interface ModeReport {
  /** What the cluster was made as: one of the modes, or `hybrid`. */
  readonly protocol: string
  readonly mode: Mode
  readonly epoch: number
  /** When this epoch began, by the clock of the member that is asked; milliseconds since 1970. */
  readonly sinceMs: number | null
  /** How long a Byzantine epoch lasts at least; null where the mode never changes. */
  readonly residencyMs: number | null
  /** Why the cluster stays in a Byzantine mode, as f + 1 members say; null where nothing keeps it there. */
  readonly stays: { readonly reason: string; readonly retryAfterMs: number | null } | null
  readonly threat: string | null
  readonly leader: string | null
}

export const MODE_SCHEMA = schema.record({
  protocol: schema.text,
  mode: schema.text,
  epoch: schema.integer,
  sinceMs: schema.nullable(schema.integer),
  residencyMs: schema.nullable(schema.integer),
  stays: schema.nullable(schema.record({ reason: schema.text, retryAfterMs: schema.nullable(schema.integer) })),
  threat: schema.nullable(schema.text),
  leader: schema.nullable(schema.text),
})

const POLL_MS = 50
const REPEAT_MS = 3_000
/** A refusal that is over so soon is waited for. */
const SOON_MS = 2000

export async function lookAtMode(client: Client, call: CallOptions): Promise<ModeReport> {
  const status = await client.clusterStatus(call)
  requireReachable(status)
  const { protocol, mode, epoch, threat, leader } = status
  const told = status.nodes.find((node) => node.epoch === epoch && node.epochSinceMs !== null)
  return {
    protocol,
    mode,
    epoch,
    sinceMs: told?.epochSinceMs ?? null,
    residencyMs: told?.residencyMs ?? null,
    stays: staysOf(status),
    threat,
    leader,
  }
}

/** The first that tells, once f + 1 tell something: one member alone could make it up. */
function staysOf({ nodes, epoch }: ClusterStatus): ModeReport['stays'] {
  const told = nodes.flatMap((node) => (node.epoch === epoch && node.stays !== null ? [node.stays] : []))
  return told.length > byzantineFaults(nodes.length) ? (told[0] ?? null) : null
}

export function modeOutput(report: ModeReport): Output {
  const { protocol, mode, epoch, sinceMs, residencyMs, stays, threat, leader } = report
  return {
    value: report,
    ids: [mode],
    text: ({ fields }) =>
      fields([
        ['mode', protocol === mode ? mode : `${mode} (of a ${protocol} cluster)`],
        ['epoch', epoch],
        ['since', formatLocalTime(sinceMs)],
        ['stays at least', residencyMs === null ? null : `${residencyMs / 1000} s in a Byzantine mode`],
        ['stays because', stays?.reason ?? null],
        ['threat', threat],
        ['leader', leader],
      ]),
  }
}

/** Orders the mode, and waits until f + 1 members are in it. Throws `ModeRefused` with the reason, `DeadlineExceeded`. */
export async function setMode(
  client: Client,
  wanted: SettableMode,
  patience: { readonly expiresAtMs: number; readonly signal: AbortSignal },
): Promise<ModeReport> {
  const call = (): CallOptions => ({
    timeoutMs: Math.max(1, patience.expiresAtMs - performance.now()),
    signal: patience.signal,
  })
  const before = await lookAtMode(client, call())
  if (before.protocol !== 'hybrid') {
    throw new KnhkError('ModeRefused', `this cluster was made as plain ${before.protocol}: its mode never changes`, {
      hint: 'A hybrid cluster changes: make one with --protocol hybrid, and restore a snapshot into it.',
      details: { protocol: before.protocol },
    })
  }
  if (isIn(before, wanted)) return before
  await orderPatiently(client, wanted, patience.signal, call)
  let orderedMs = performance.now()
  for (;;) {
    const now = await lookAtMode(client, call())
    if (isIn(now, wanted) && now.epoch > before.epoch) return now
    if (performance.now() > patience.expiresAtMs) {
      throw new KnhkError('DeadlineExceeded', `the cluster is still in ${now.mode}`, {
        details: { mode: now.mode, epoch: now.epoch },
      })
    }
    // Who was not there at the first time has not been told, and may be the one that proposes.
    if (performance.now() - orderedMs > REPEAT_MS) {
      await orderAll(client, { kind: 'setMode', mode: wanted }, call()).catch(() => undefined)
      orderedMs = performance.now()
    }
    await setTimeout(POLL_MS, undefined, { signal: patience.signal })
  }
}

/** Members that have not said yet that nothing is held against anybody do so in a moment. */
async function orderPatiently(
  client: Client,
  mode: SettableMode,
  signal: AbortSignal,
  call: () => CallOptions,
): Promise<void> {
  for (;;) {
    try {
      return await orderAll(client, { kind: 'setMode', mode }, call())
    } catch (error) {
      const waitMs = error instanceof KnhkError ? error.details.retryAfterMs : undefined
      const isSoon = hasCode(error, 'ModeRefused') && typeof waitMs === 'number' && waitMs <= SOON_MS
      if (!isSoon || waitMs > (call().timeoutMs ?? 0)) throw await withThreat(client, error, call())
      await setTimeout(waitMs, undefined, { signal })
    }
  }
}

/** A refusal, with the level of the threat where there is one: members that see it give no CLEAR. */
async function withThreat(client: Client, error: unknown, call: CallOptions): Promise<unknown> {
  if (!hasCode(error, 'ModeRefused')) return error
  const { message, details } = error as KnhkError
  const { threat } = await client.clusterStatus(call)
  if (threat === null || threat === 'none') return error
  return new KnhkError('ModeRefused', `${message} (the threat level is ${threat})`, { details })
}

function isIn({ mode }: Pick<ClusterStatus, 'mode'>, wanted: SettableMode): boolean {
  return wanted === 'bft' ? mode !== 'raft' : mode === wanted
}
