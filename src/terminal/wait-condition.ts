/**
 * `wait`: polls the members until a condition holds. Conditions speak of consensus: a leader, a log
 * position, equal digests, so scripts need no sleeps.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { KnhkError } from '../base/error.js'
import type { Client, ClusterStatus } from '../client/api.js'
import { appliedProblem, caughtUpProblem, convergedProblem, healthProblem, leaderProblem } from '../cluster/health.js'
import { parseCount } from './flags.js'

const POLL_MS = 50
/** Refusals that waiting does not change. */
const LASTING_REFUSALS: readonly string[] = ['UnknownKey', 'ForeignCluster', 'ConfigurationMismatch', 'WrongNode']

export interface WaitCondition {
  readonly text: string
  /** What is missing; null when the condition holds. */
  readonly problem: (status: ClusterStatus) => string | null
}

export interface WaitReport {
  readonly condition: string
  readonly elapsedMs: number
  readonly leader: string | null
  readonly mode: string
  readonly commitIndex: number | null
  readonly members: number
  /** For `converged`: where and on what all live members agree; null for the others. */
  readonly digestIndex: number | null
  readonly stateDigest: string | null
}

/** Reads `leader`, `healthy`, `caught-up`, `converged`, `applied=N`, `members=N` or `mode=M`. */
export function parseCondition(text: string): WaitCondition {
  const [name, value] = text.split('=', 2) as [string, string | undefined]
  if (value === undefined) {
    if (name === 'converged') return { text, problem: converged() }
    const simple = SIMPLE[name]
    if (simple !== undefined) return { text, problem: simple }
  } else {
    const valued = VALUED[name]
    if (valued !== undefined) return { text, problem: valued(value) }
  }
  throw new KnhkError('InvalidArgument', `${JSON.stringify(text)} is no condition`, {
    hint: 'Conditions: leader, healthy, caught-up, converged, applied=N, members=N, mode=M.',
  })
}

const SIMPLE: Readonly<Record<string, WaitCondition['problem']>> = {
  leader: leaderProblem,
  healthy: healthProblem,
  'caught-up': (status) => leaderProblem(status) ?? caughtUpProblem(status),
}

/** What was committed when the wait began is in the digests that it ends with: an older agreement says nothing. */
function converged(): WaitCondition['problem'] {
  let committed: number | null = null
  return (status) => {
    committed ??= status.commitIndex
    return convergedProblem(status, committed ?? 0)
  }
}

const VALUED: Readonly<Record<string, (value: string) => WaitCondition['problem']>> = {
  applied: (value) => {
    const index = parseCount(value, 0, Number.MAX_SAFE_INTEGER)
    return (status) => appliedProblem(status, index)
  },
  members: (value) => {
    const count = parseCount(value, 1, 1_000)
    return ({ nodes }) => (nodes.length === count ? null : `the cluster has ${nodes.length} members`)
  },
  mode: (value) => {
    if (!['raft', 'bft', 'pbft', 'hotstuff'].includes(value)) {
      throw new KnhkError('InvalidArgument', `${JSON.stringify(value)} is no mode: raft, bft, pbft or hotstuff`)
    }
    const fits = (mode: string) => (value === 'bft' ? mode !== 'raft' : mode === value)
    return (status) => leaderProblem(status) ?? (fits(status.mode) ? null : `the mode is ${status.mode}`)
  },
}

export interface WaitOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly onProgress: (problem: string) => void
}

/** Throws `DeadlineExceeded` that says what was missing last, and the refusal where the members do not admit this client. */
export async function waitForCondition(
  client: Client,
  condition: WaitCondition,
  options: WaitOptions,
): Promise<WaitReport> {
  const startedMs = performance.now()
  for (;;) {
    options.signal.throwIfAborted()
    const status = await client.clusterStatus({ signal: options.signal, timeoutMs: options.timeoutMs })
    requireAdmitted(status)
    const problem = condition.problem(status)
    const elapsedMs = Math.round(performance.now() - startedMs)
    if (problem === null) return waitReport(condition, status, elapsedMs)
    if (elapsedMs >= options.timeoutMs) {
      throw new KnhkError('DeadlineExceeded', `waited ${elapsedMs} ms for ${condition.text}: ${problem}`, {
        details: { condition: condition.text, problem, elapsedMs },
      })
    }
    options.onProgress(problem)
    await delay(Math.min(POLL_MS, options.timeoutMs - elapsedMs))
  }
}

/** Throws why this client is refused, where no member answers it and one says so for good. */
function requireAdmitted({ nodes }: ClusterStatus): void {
  if (nodes.some((node) => node.reachable)) return
  const refusal = nodes.find((node) => node.error !== null && LASTING_REFUSALS.includes(node.error.code))?.error
  if (refusal != null) throw new KnhkError(refusal.code, refusal.message, { details: refusal.details })
}

function waitReport(condition: WaitCondition, status: ClusterStatus, elapsedMs: number): WaitReport {
  const agreed = condition.text === 'converged' ? status.nodes.find((node) => node.reachable) : undefined
  return {
    condition: condition.text,
    elapsedMs,
    leader: status.leader,
    mode: status.mode,
    commitIndex: status.commitIndex,
    members: status.nodes.length,
    digestIndex: agreed?.digestIndex ?? null,
    stateDigest: agreed?.stateDigest ?? null,
  }
}
