/** `cluster mode show` and `set`: which protocol decides now, and by whose word that changes. */
import { KnhkError } from '../../base/error.js'
import type { CallOptions, Client, ClusterStatus } from '../../client/api.js'
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
  readonly threat: string | null
  readonly leader: string | null
}

export const MODE_SCHEMA = schema.record({
  protocol: schema.text,
  mode: schema.text,
  epoch: schema.integer,
  sinceMs: schema.nullable(schema.integer),
  residencyMs: schema.nullable(schema.integer),
  threat: schema.nullable(schema.text),
  leader: schema.nullable(schema.text),
})

const POLL_MS = 50

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
    threat,
    leader,
  }
}

export function modeOutput(report: ModeReport): Output {
  const { protocol, mode, epoch, sinceMs, residencyMs, threat, leader } = report
  return {
    value: report,
    ids: [mode],
    text: ({ fields }) =>
      fields([
        ['mode', protocol === mode ? mode : `${mode} (of a ${protocol} cluster)`],
        ['epoch', epoch],
        ['since', formatLocalTime(sinceMs)],
        ['stays at least', residencyMs === null ? null : `${residencyMs / 1000} s in a Byzantine mode`],
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
  await orderAll(client, { kind: 'setMode', mode: wanted }, call())
  for (;;) {
    const now = await lookAtMode(client, call())
    if (isIn(now, wanted) && now.epoch > before.epoch) return now
    if (performance.now() > patience.expiresAtMs) {
      throw new KnhkError('DeadlineExceeded', `the cluster is still in ${now.mode}`, {
        details: { mode: now.mode, epoch: now.epoch },
      })
    }
    patience.signal.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function isIn({ mode }: Pick<ClusterStatus, 'mode'>, wanted: SettableMode): boolean {
  return wanted === 'bft' ? mode !== 'raft' : mode === wanted
}
