/**
 * The replicated state machine: applies log entries, one operation after the other, exactly once per
 * session and sequence number. Deterministic: equal entries give equal states, results and digests on
 * every node. An entry can be applied in slices, so that a turn of the node loop stays short.
 *
 * What an operation does is in `operation-runner.ts` and the modules behind it; receipts read the results
 * that `onRequest` hands out.
 */
import { assert } from '../base/assert.js'
import { hasCode } from '../base/error.js'
import type { ClientRole, ClusterConfiguration } from '../consensus/configuration.js'
import type { Entry, Sha256 } from '../consensus/entry.js'
import { CaseCounts } from './cases.js'
import type { ApplyContext, Handler } from './handlers.js'
import { SEQUENCE_END, SESSION_WINDOW } from './limits.js'
import { encodeMachineRecord } from './machine-record.js'
import { restoreTables } from './machine-restore.js'
import { OperationRunner } from './operation-runner.js'
import { OverlayGovernance } from './overlays/apply.js'
import { ActiveRules } from './overlays/rules.js'
import { Governance } from './policies/governance.js'
import type { RuleType } from './policies/rule-types.js'
import type { SignaturePort } from './policies/signature-port.js'
import * as refusals from './refusals.js'
import { RequestCursor } from './request-cursor.js'
import { RequestKeys } from './request-keys.js'
import { encodeResults, isPlaced, keptResult } from './result-codec.js'
import { ResultLog } from './result-log.js'
import { ClientTable, type Principal } from './roles.js'
import type { Session } from './session-window.js'
import { SessionTable } from './sessions.js'
import { Slab } from './slab.js'
import { MACHINE_SPACE, type StatePort } from './state-keys.js'
import { ThreatTable } from './threats/table.js'

export interface MachineOptions {
  /** The configuration of the cluster's first entry: who may do what from then on, in a hybrid who the members are. */
  readonly genesis: Pick<ClusterConfiguration, 'clients' | 'clusterId'> & Partial<Pick<ClusterConfiguration, 'genesis'>>
  /** Index up to which `state` holds everything; 0 for a new state. */
  readonly appliedIndex: number
  /** At a restart, every pair from `SYSTEM_FROM` up to `SYSTEM_TO`, in key order. Not read when `appliedIndex` is 0. */
  readonly system: Iterable<{ readonly key: string; readonly value: Uint8Array }>
}

export interface MachineModules {
  readonly state: StatePort
  readonly sha256: Sha256
  /** `KV_HANDLERS` and those of the embedding program. */
  readonly handlers: readonly Handler[]
  readonly signatures: SignaturePort
  /** Types of custom rules, of the embedding program. */
  readonly ruleTypes?: readonly RuleType[]
}

/** Takes the results of one request: its ordinal in the entry, the position of its first operation, `encodeResults`. */
export type OnRequest = (ordinal: number, firstPosition: number, results: Uint8Array) => void

/** An operation costs one unit of a slice, and one more for each of these bytes. */
const BYTES_PER_UNIT_SHIFT = 9

export class WorkflowMachine {
  readonly clients: ClientTable
  readonly sessions: SessionTable
  readonly cases = new CaseCounts()
  readonly governance: Governance
  readonly requestKeys: RequestKeys
  readonly threats: ThreatTable
  readonly #state: StatePort
  readonly results: ResultLog
  readonly #runner: OperationRunner
  readonly #cursor = new RequestCursor()
  readonly #context: { -readonly [K in keyof ApplyContext]: ApplyContext[K] }
  #appliedIndex: number
  #nowMs = 0
  #operationsApplied = 0
  #entry: Entry | null = null
  /** The operation that comes next, among those of the entry. */
  #position = 0
  // Of the request that is being applied.
  #requestOpen = false
  #firstPosition = 0
  #session: Session | null = null
  #principal: Principal | undefined
  /** The one result of all its operations, where it is not executed. */
  #refusal: Uint8Array | null = null
  #results: Uint8Array[] = []

  constructor(options: MachineOptions, modules: MachineModules) {
    this.#state = modules.state
    this.results = new ResultLog(modules.state, modules.sha256)
    this.clients = new ClientTable(modules.state)
    this.sessions = new SessionTable(modules.state)
    this.requestKeys = new RequestKeys(modules.state, modules.sha256)
    const { state, sha256, signatures, handlers, ruleTypes = [] } = modules
    const { clusterId } = options.genesis
    this.governance = new Governance({ state, sha256, signatures, clusterId, ruleTypes }, this)
    this.threats = new ThreatTable({ state, sha256, signatures, genesis: options.genesis })
    this.#context = {
      state: modules.state,
      index: 0,
      position: 0,
      nowMs: 0,
      actor: new Uint8Array(0),
      slab: new Slab(),
    }
    const rules = new ActiveRules(state)
    const overlays = new OverlayGovernance(state, sha256, () => rules.forget())
    const { cases, governance, requestKeys, sessions, threats } = this
    const tables = { sessions, requestKeys, cases, governance, overlays, rules, threats }
    this.#runner = new OperationRunner({ context: this.#context, handlers, ...tables })
    this.#appliedIndex = options.appliedIndex
    if (options.appliedIndex === 0) this.clients.seed(options.genesis.clients)
    else this.#nowMs = restoreTables(this, options.system)
  }

  /** Index of the last entry that is applied completely. */
  get appliedIndex(): number {
    return this.#appliedIndex
  }

  /** Operations of the entries applied by this machine, in this run. */
  get operationsApplied(): number {
    return this.#operationsApplied
  }

  /** Log time: the highest timestamp of the applied entries. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Role of a client key; null for a key that is not known. */
  roleOf(clientKey: Uint8Array): ClientRole | null {
    return this.clients.find(clientKey)?.role ?? null
  }

  /** Starts the next entry; the one before must be finished. */
  begin(entry: Entry): void {
    assert(this.#entry === null, 'one entry is finished before the next begins')
    assert(entry.index === this.#appliedIndex + 1, `entry ${entry.index} follows applied index ${this.#appliedIndex}`)
    this.#entry = entry
    if (entry.kind !== 'data') return this.threats.note(entry)
    this.#nowMs = Math.max(this.#nowMs, entry.timestampMs)
    this.#context.index = entry.index
    this.#context.nowMs = this.#nowMs
    this.#position = 0
    this.sessions.expire(this.#nowMs)
    this.requestKeys.expire(this.#nowMs)
    this.governance.begin(this.#nowMs)
    this.#cursor.open(entry.body)
  }

  /**
   * Applies up to `maxOperations` operations (a large one counts for several); true when the entry is
   * finished. It may stop inside a request; `onRequest` is called once per request, when it is complete.
   */
  advance(maxOperations: number, onRequest: OnRequest): boolean {
    assert(this.#entry !== null, 'an entry has begun')
    if (this.#entry.kind !== 'data') return this.#finish()
    const cursor = this.#cursor
    for (let left = maxOperations; left > 0; ) {
      if (!this.#requestOpen) {
        if (!cursor.hasMoreRequests) return this.#finish()
        this.#openRequest()
      }
      left -= this.#applyNext()
      if (!cursor.hasMoreOperations) this.#closeRequest(onRequest)
    }
    return !this.#requestOpen && !cursor.hasMoreRequests && this.#finish()
  }

  /**
   * Writes the tables that live in memory to the state, so that the state alone is complete at
   * `appliedIndex`. True when done; with `maxSessions` it may take several calls, with nothing applied
   * between them.
   */
  checkpoint(maxSessions = Number.POSITIVE_INFINITY): boolean {
    assert(this.#entry === null, 'a checkpoint stands between entries')
    if (!this.sessions.store(maxSessions)) return false
    this.governance.store()
    const { counts, finished } = this.cases
    this.#state.put(
      MACHINE_SPACE,
      encodeMachineRecord({ nowMs: this.#nowMs, caseCounts: counts, finished, resultChain: this.results.chain }),
    )
    return true
  }

  #finish(): true {
    assert(this.#entry !== null && !this.#requestOpen, 'the entry is applied completely')
    this.#appliedIndex = this.#entry.index
    if (this.#entry.kind === 'data') {
      this.#operationsApplied += this.#position
      this.results.finish(this.#entry.index)
    }
    this.#entry = null
    this.#cursor.close()
    return true
  }

  #openRequest(): void {
    const cursor = this.#cursor
    cursor.nextRequest()
    this.#requestOpen = true
    this.#firstPosition = this.#position
    this.#session = null
    this.#principal = undefined
    this.#refusal = null
    this.#results = []
    if (!cursor.wellFormed) {
      // Stands for the whole request: nobody can say how many operations it has.
      this.#refusal = refusals.MALFORMED_REQUEST
      cursor.operationCount = 1
      return
    }
    if (cursor.sessionIndex !== 0 || cursor.sessionOffset !== 0) this.#enterSession()
    else this.#principal = this.clients.find(cursor.clientKey)
    this.#context.actor = this.#principal?.identity ?? cursor.clientKey
  }

  #enterSession(): void {
    const cursor = this.#cursor
    const session = this.sessions.find(cursor.sessionIndex, cursor.sessionOffset, this.#nowMs)
    if (session === undefined) {
      this.#refusal = refusals.SESSION_EXPIRED
      return
    }
    if (!this.#isKeyOf(session.principal)) {
      this.#refusal = refusals.FOREIGN_SESSION
      return
    }
    const lastSequence = cursor.firstSequence + cursor.operationCount - 1
    if (
      lastSequence >= SESSION_WINDOW + cursor.ackedBelow ||
      lastSequence >= SEQUENCE_END ||
      cursor.ackedBelow >= SEQUENCE_END
    ) {
      this.#refusal = refusals.SEQUENCE_TOO_FAR
      return
    }
    this.#session = session
    this.#principal = session.principal
    this.sessions.use(session, cursor.ackedBelow, this.#nowMs)
  }

  #isKeyOf(principal: Principal): boolean {
    const { body, clientKeyAt } = this.#cursor
    const { key } = principal
    for (let i = 0; i < key.length; i++) if (key[i] !== body[clientKeyAt + i]) return false
    return true
  }

  #closeRequest(onRequest: OnRequest): void {
    this.#requestOpen = false
    const results = encodeResults(this.#results)
    this.results.note(results)
    onRequest(this.#cursor.request, this.#firstPosition, results)
  }

  /** Applies one operation; returns what it costs of the slice. */
  #applyNext(): number {
    const cursor = this.#cursor
    if (!cursor.wellFormed) {
      cursor.operation++
      this.#results.push(refusals.MALFORMED_REQUEST)
      this.#position++
      return 1
    }
    cursor.nextOperation()
    this.#results.push(this.#refusal ?? this.#once())
    this.#position++
    const size = (cursor.operationEnd - cursor.operationStart) >>> BYTES_PER_UNIT_SHIFT
    return 1 + size + this.#runner.takeCost()
  }

  /** The result of the current operation: kept from before, or from executing it now. */
  #once(): Uint8Array {
    const session = this.#session
    if (session === null) return this.#execute(null)
    if (session.closed) return refusals.SESSION_EXPIRED
    const sequence = this.#cursor.firstSequence + this.#cursor.operation
    if (sequence < session.ackedBelow) return refusals.SEQUENCE_STALE
    const kept = session.kept(sequence)
    if (kept !== undefined) {
      // A result under a request id may name the place already.
      if (isPlaced(kept)) return kept
      const place = session.keptPlace(sequence)
      return keptResult(kept, place.index, place.position)
    }
    if (session.ordered && sequence > session.next) return refusals.SEQUENCE_GAP
    const result = this.#execute(session)
    if (!session.closed) this.sessions.keep(session, sequence, result, this.#context.index, this.#position)
    return result
  }

  #execute(session: Session | null): Uint8Array {
    if (this.#principal === undefined) return refusals.UNKNOWN_KEY
    this.#context.position = this.#position
    try {
      const { body, operationStart, operationEnd } = this.#cursor
      return this.#runner.run(session, this.#principal, body, operationStart, operationEnd)
    } catch (error) {
      if (hasCode(error, 'ProtocolViolation')) return refusals.MALFORMED_OPERATION
      throw error
    }
  }
}
