/**
 * The threat model of one node: what it has seen members do, and how grave that is. Signature failures
 * are counted per authenticated member key in a sliding window, across reconnects; each kind of event is
 * kept by itself, the level is the maximum over all of them, and a weaker event that comes later takes
 * nothing back. Timing anomalies never say more than Medium: asynchrony is not malice.
 */
import type { Millis, NodeId } from '../types.js'

export type ThreatLevel = 'none' | 'low' | 'medium' | 'high' | 'critical'
export const THREAT_LEVELS: readonly ThreatLevel[] = ['none', 'low', 'medium', 'high', 'critical']

export type ThreatCause = 'badSignatures' | 'tampering' | 'equivocation' | 'timing'
export const THREAT_CAUSES: readonly ThreatCause[] = ['badSignatures', 'tampering', 'equivocation', 'timing']

export interface NodeThreat {
  readonly id: NodeId
  readonly level: ThreatLevel
  readonly causes: readonly ThreatCause[]
}

export interface ThreatReport {
  readonly level: ThreatLevel
  /** Of all nodes together, each once. */
  readonly causes: readonly ThreatCause[]
  /** Those above None, in the order in which they were first noticed. */
  readonly nodes: readonly NodeThreat[]
}

/** Nothing was ever noticed: the same object every time. */
export const NO_THREAT: ThreatReport = { level: 'none', causes: [], nodes: [] }

export const THREAT_WINDOW_MS: Millis = 60_000
/** More events of one kind and member change nothing: this many already are the gravest level. */
const EVENTS_MAX = 11

/** Of so many signature failures of one member within the window. */
export function levelOfSignatureFailures(count: number): ThreatLevel {
  if (count === 0) return 'none'
  if (count <= 2) return 'low'
  if (count <= 5) return 'medium'
  return count <= 10 ? 'high' : 'critical'
}

function levelOfTiming(count: number): ThreatLevel {
  if (count === 0) return 'none'
  return count <= 2 ? 'low' : 'medium'
}

export function isAtLeast(level: ThreatLevel, least: ThreatLevel): boolean {
  return THREAT_LEVELS.indexOf(level) >= THREAT_LEVELS.indexOf(least)
}

export function highest(levels: Iterable<ThreatLevel>): ThreatLevel {
  let top = 0
  for (const level of levels) top = Math.max(top, THREAT_LEVELS.indexOf(level))
  return THREAT_LEVELS[top] as ThreatLevel
}

/**
 * The level that the cluster may act on: what at least one honest member sees, that is the one that
 * f + 1 members reach with their local levels; evidence convinces everybody and is Critical at once.
 */
export function agreedLevel(local: Iterable<ThreatLevel>, f: number, hasEvidence: boolean): ThreatLevel {
  if (hasEvidence) return 'critical'
  const sorted = [...local].sort((a, b) => THREAT_LEVELS.indexOf(b) - THREAT_LEVELS.indexOf(a))
  return sorted[f] ?? 'none'
}

interface Seen {
  readonly badSignatures: Millis[]
  readonly tampering: Millis[]
  readonly timing: Millis[]
  /** Evidence is live until its culprit is cleared: it never leaves a window. */
  equivocated: boolean
}

export class ThreatModel {
  readonly #windowMs: Millis
  readonly #members = new Map<NodeId, Seen>()

  constructor(windowMs: Millis = THREAT_WINDOW_MS) {
    this.#windowMs = windowMs
  }

  /** A signature under this member's authenticated connection did not hold. */
  noteBadSignature(member: NodeId, nowMs: Millis): void {
    push(this.#of(member).badSignatures, nowMs)
  }

  /** Content did not match what this member signed or promised: a body and its digest, a link of the chain. */
  noteTampering(member: NodeId, nowMs: Millis): void {
    push(this.#of(member).tampering, nowMs)
  }

  noteTiming(member: NodeId, nowMs: Millis): void {
    push(this.#of(member).timing, nowMs)
  }

  /** There is transferable evidence against this member. */
  noteEvidence(culprit: NodeId): void {
    this.#of(culprit).equivocated = true
  }

  /** An operator cleared one member, or all. */
  clear(member: NodeId | null): void {
    if (member === null) this.#members.clear()
    else this.#members.delete(member)
  }

  of(member: NodeId, nowMs: Millis): NodeThreat {
    const seen = this.#members.get(member)
    if (seen === undefined) return { id: member, level: 'none', causes: [] }
    const levels: Readonly<Record<ThreatCause, ThreatLevel>> = {
      badSignatures: levelOfSignatureFailures(this.#count(seen.badSignatures, nowMs)),
      tampering: this.#count(seen.tampering, nowMs) > 0 ? 'critical' : 'none',
      equivocation: seen.equivocated ? 'critical' : 'none',
      timing: levelOfTiming(this.#count(seen.timing, nowMs)),
    }
    const causes = THREAT_CAUSES.filter((cause) => levels[cause] !== 'none')
    return { id: member, level: highest(causes.map((cause) => levels[cause])), causes }
  }

  report(nowMs: Millis): ThreatReport {
    if (this.#members.size === 0) return NO_THREAT
    const nodes = [...this.#members.keys()]
      .map((member) => this.of(member, nowMs))
      .filter(({ level }) => level !== 'none')
    const causes = THREAT_CAUSES.filter((cause) => nodes.some((node) => node.causes.includes(cause)))
    return { level: highest(nodes.map(({ level }) => level)), causes, nodes }
  }

  /** When the level may fall by itself, as the oldest event leaves the window; undefined for never. */
  nextChangeMs(nowMs: Millis): Millis | undefined {
    let next: Millis | undefined
    for (const { badSignatures, tampering, timing } of this.#members.values()) {
      for (const atMs of [...badSignatures, ...tampering, ...timing]) {
        const leavesMs = atMs + this.#windowMs
        if (leavesMs > nowMs && (next === undefined || leavesMs < next)) next = leavesMs
      }
    }
    return next
  }

  #count(events: readonly Millis[], nowMs: Millis): number {
    return events.filter((atMs) => atMs + this.#windowMs > nowMs).length
  }

  #of(member: NodeId): Seen {
    let seen = this.#members.get(member)
    if (seen === undefined) {
      seen = { badSignatures: [], tampering: [], timing: [], equivocated: false }
      this.#members.set(member, seen)
    }
    return seen
  }
}

function push(events: Millis[], nowMs: Millis): void {
  events.push(nowMs)
  if (events.length > EVENTS_MAX) events.shift()
}
