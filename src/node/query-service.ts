/**
 * Answers queries: what the node knows of itself (`node.status`, `log.inspect`, `digest.at`) and what
 * the state machine defines, at the read level that was asked for.
 */
import { fromHex, toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { viewOfCertificate } from '../consensus/bft/describe-certificate.js'
import type { LogIndex, Millis } from '../consensus/types.js'
import {
  type AnswerContext,
  CLIENT_FRAME,
  decodeQuery,
  encodeQueryAnswer,
  type QueryFrame,
} from '../transport/client-protocol.js'
import { type QueryRead, type QueryReadResult, startQuery } from '../workflow/queries.js'
import { refuseOne, refuseWithError } from './answers.js'
import { readChanges } from './changes.js'
import type { EvidenceQueries } from './evidence-queries.js'
import type { Execution } from './execution.js'
import type { ClientConnection, LogStore, SnapshotStore, StateStore } from './ports.js'
import type { ReadCallback } from './reads.js'
import type { Receipts } from './receipts.js'

export interface QueryServiceOptions {
  readonly state: StateStore
  readonly log: LogStore
  readonly snapshots: SnapshotStore
  readonly execution: Execution
  readonly receipts: Receipts
  readonly evidence: EvidenceQueries
  readonly context: () => AnswerContext
  readonly status: () => Record<string, unknown>
  readonly members: () => Record<string, unknown>
  readonly staleMs: () => Millis
  /** Queries of all read levels that wait or run; beyond, `ResourceExhausted`. */
  readonly openMax: number
  /** This node leads and nobody else can. */
  readonly holdsLease: () => boolean
  /** Calls back when the read is confirmed, by a lease where that is asked for. False when too many reads wait. */
  readonly confirmed: (lease: boolean, callback: ReadCallback) => boolean
  /** Calls back when this index is applied here, or will not be in time. False when too many reads wait. */
  readonly applied: (index: LogIndex, callback: ReadCallback) => boolean
}

const INSPECT_LIMIT_MAX = 1000
/** Of a snapshot, in one answer. */
const SNAPSHOT_PIECE_BYTES = 256 * 1024

export class QueryService {
  readonly #options: QueryServiceOptions
  #open = 0

  constructor(options: QueryServiceOptions) {
    this.#options = options
  }

  /** Handles one query frame. `wake` makes the loop flush an answer that comes later. */
  frame(connection: ClientConnection, payload: Uint8Array, wake: () => void): void {
    const query = decodeQuery(payload)
    const end = () => {
      this.#open--
      wake()
    }
    const run = () => void this.#serve(connection, query).finally(end)
    if (this.#open >= this.#options.openMax) {
      refuseOne(connection, query.requestNumber, { code: 'ResourceExhausted', outcomeUnknown: false, leader: null })
      wake()
      return
    }
    if (query.read === 'local') {
      this.#open++
      run()
      return
    }
    // Without a lease a lease read is confirmed like any linearizable one: never less than what was asked for.
    const lease = query.read === 'lease' && this.#options.holdsLease()
    const added = this.#confirm(connection, query, lease, end)
    if (added) this.#open++
    else refuseOne(connection, query.requestNumber, { code: 'ResourceExhausted', outcomeUnknown: false, leader: null })
  }

  #confirm(connection: ClientConnection, query: QueryFrame, lease: boolean, end: () => void): boolean {
    const callback: ReadCallback = (refusal) => {
      if (refusal !== null) {
        refuseOne(connection, query.requestNumber, { ...refusal, outcomeUnknown: false })
        end()
      } else if (lease) void this.#serveLeased(connection, query, end)
      else void this.#serve(connection, query).finally(end)
    }
    if (query.read === 'after') return this.#options.applied(query.minIndex as LogIndex, callback)
    return this.#options.confirmed(lease, callback)
  }

  /** The lease may have run out while the value was read: then the read starts over, confirmed by a quorum. */
  async #serveLeased(connection: ClientConnection, query: QueryFrame, end: () => void): Promise<void> {
    const answer = await this.#answer(connection, query)
    if (this.#options.holdsLease()) {
      answer(connection)
      end()
    } else if (!this.#confirm(connection, query, false, end)) {
      refuseOne(connection, query.requestNumber, { code: 'ResourceExhausted', outcomeUnknown: false, leader: null })
      end()
    }
  }

  async #serve(connection: ClientConnection, query: QueryFrame): Promise<void> {
    const answer = await this.#answer(connection, query)
    answer(connection)
  }

  /** Never rejects: what goes wrong with one query is told to the one who asked. */
  async #answer({ clientKey }: ClientConnection, query: QueryFrame): Promise<(connection: ClientConnection) => void> {
    // The index of the answer is that of the state it was read from, taken before anything is awaited.
    const index = this.#options.execution.appliedIndex
    const { requestNumber, read } = query
    try {
      // The client may have been removed since it connected.
      if (this.#options.execution.machine.roleOf(clientKey) === null) {
        throw new KnhkError('UnknownKey', 'the cluster does not know this client key any more')
      }
      const value = await this.#run(query)
      const staleMs = read === 'local' ? this.#options.staleMs() : null
      const answer = encodeQueryAnswer({ requestNumber, ...this.#options.context(), index, staleMs, value })
      return (connection) => {
        if (connection.open) connection.send(CLIENT_FRAME.answer, answer)
      }
    } catch (error) {
      const known = error instanceof KnhkError ? error : new KnhkError('Bug', 'the query failed', { cause: error })
      return (connection) => refuseWithError(connection, requestNumber, known)
    }
  }

  async #run(query: QueryFrame): Promise<unknown> {
    switch (query.name) {
      case 'node.status':
        return this.#options.status()
      case 'log.inspect':
        return this.#inspect(query.args)
      case 'changes.read':
        return readChanges(this.#options.log, this.#options.execution.appliedIndex, query.args)
      case 'digest.at':
        return this.#digestAt(query.args)
      case 'cluster.members':
        return this.#options.members()
      case 'snapshot.list':
        return this.#snapshotList()
      case 'snapshot.read':
        return this.#snapshotRead(query.args)
      case 'receipt.get':
        return this.#receipt(query.args)
      case 'receipt.sign':
        return { statement: await this.#options.receipts.sign(required(query.args, 'index')) }
      case 'evidence.list': {
        const ordered = await this.#stateQuery({ ...query, name: 'evidence.ordered' })
        const isFirst = (query.args.cursor ?? null) === null
        return this.#options.evidence.list(ordered as Parameters<EvidenceQueries['list']>[0], isFirst)
      }
      case 'evidence.get':
        return this.#options.evidence.get(query.args.id)
      default:
        return this.#stateQuery(query)
    }
  }

  async #receipt(args: QueryFrame['args']): Promise<unknown> {
    const position = integer(args, 'position') ?? 0
    return { body: await this.#options.receipts.body(required(args, 'index'), position) }
  }

  /** Drives a query of the state machine: it asks for reads, the store answers them. */
  async #stateQuery(query: QueryFrame): Promise<unknown> {
    if (this.#options.execution.isRestoring) {
      throw new KnhkError('ResourceExhausted', 'a snapshot is replacing the state of this node right now')
    }
    const steps = startQuery(query.name, query.args, this.#options.execution.machine)
    let step = steps.next()
    while (step.done !== true) step = steps.next(await this.#read(step.value))
    return step.value
  }

  async #read(read: QueryRead): Promise<QueryReadResult> {
    if (read.kind === 'get') return { kind: 'get', value: this.#options.state.get(read.key) }
    const { from, to, limit, reverse } = read
    return { kind: 'range', pairs: await this.#options.state.range(from, to, { limit, reverse }) }
  }

  async #inspect(args: QueryFrame['args']): Promise<unknown> {
    const { log } = this.#options
    const from = Math.max(integer(args, 'from') ?? log.firstIndex, log.firstIndex)
    const to = Math.min(integer(args, 'to') ?? log.lastIndex, log.lastIndex)
    const limit = Math.min(integer(args, 'limit') ?? 100, INSPECT_LIMIT_MAX)
    const found = from > to || limit === 0 ? [] : await log.headers(from as LogIndex, to as LogIndex, limit)
    return {
      entries: found.map(({ header, bytes, operations, certificate }) => ({
        index: header.index,
        epoch: header.epoch,
        term: header.term,
        view: viewOfCertificate(certificate),
        kind: header.kind,
        timestampMs: header.timestampMs,
        bytes,
        operations,
        chain: toHex(header.chain),
        batchDigest: toHex(header.batchDigest),
      })),
      firstIndex: log.firstIndex,
      lastIndex: log.lastIndex,
      tornTail: null,
    }
  }

  #snapshotList(): unknown {
    return this.#options.snapshots.list().map(({ base, id, bytes, stateDigest, dataDigest, createdMs }) => ({
      index: base.index,
      epoch: base.epoch,
      term: base.term,
      id: toHex(id),
      bytes,
      stateDigest: toHex(stateDigest),
      dataDigest: toHex(dataDigest),
      createdMs,
    }))
  }

  /** A piece of a snapshot file, for who keeps it elsewhere; empty at its end. */
  async #snapshotRead(args: QueryFrame['args']): Promise<unknown> {
    const { id } = args
    const offset = integer(args, 'offset') ?? 0
    if (typeof id !== 'string') throw new KnhkError('InvalidArgument', 'snapshot.read needs an id')
    const bytes = await this.#options.snapshots.read(fromHex(id), offset, SNAPSHOT_PIECE_BYTES)
    if (bytes === null) throw new KnhkError('SnapshotGone', 'this node does not have that snapshot (any more)')
    return { offset, bytes }
  }

  #digestAt(args: QueryFrame['args']): unknown {
    const index = integer(args, 'index')
    if (index === undefined) throw new KnhkError('InvalidArgument', 'digest.at needs an index')
    const record = this.#options.execution.digests.at(index as LogIndex)
    if (record === null) {
      throw new KnhkError('NotFound', `no digest is kept for index ${index}`, {
        hint: 'The last 16 compared indexes are kept: multiples of 1,000, and the last index of an idle node.',
      })
    }
    return { index: record.index, stateDigest: toHex(record.stateDigest), dataDigest: toHex(record.dataDigest) }
  }
}

function required(args: QueryFrame['args'], name: string): number {
  const value = integer(args, name)
  if (value === undefined) throw new KnhkError('InvalidArgument', `${name} is missing`)
  return value
}

function integer(args: QueryFrame['args'], name: string): number | undefined {
  const value = args[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new KnhkError('InvalidArgument', `${name} is not a whole number`)
  }
  return value
}
