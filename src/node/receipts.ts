/**
 * What this node gives towards receipts: the entry with what decided it, and its signature under what
 * it executed. Who collects needs the first from anybody and the second from enough members; nothing
 * here is believed, all of it is checked by whoever holds the receipt.
 */
import { ByteWriter } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { writeSigned } from '../consensus/bft/statement.js'
import type { Core } from '../consensus/core.js'
import type { Entry, Sha256 } from '../consensus/entry.js'
import { type BatchPlace, merklePath } from '../consensus/merkle-path.js'
import { encodeBody, forEachRequest } from '../consensus/request-body.js'
import type { LogIndex } from '../consensus/types.js'
import { TRANSPORT_LIMITS } from '../transport/limits.js'
import { encodeReceiptBody, type ReceiptBody } from '../workflow/receipts/receipt.js'
import { entryStatement, resultStatement, type SigningPlace } from '../workflow/receipts/statements.js'
import { RequestCursor } from '../workflow/request-cursor.js'
import { decodeEntryResults, type EntryResults, resultKey } from '../workflow/result-log.js'
import type { EpochSteps } from './epoch-steps.js'
import type { Execution } from './execution.js'
import type { LogStore, StateStore } from './ports.js'
import type { ReceiptSigner } from './receipt-signer.js'

export interface ReceiptOptions {
  readonly core: Core
  readonly log: LogStore
  readonly state: StateStore
  readonly execution: Execution
  readonly steps: EpochSteps
  readonly signer: ReceiptSigner
  readonly sha256: Sha256
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  /** In plain Raft the leader signs alone; elsewhere every member does. */
  readonly isPlain: boolean
  /** What signatures of the present epoch are bound to. */
  readonly configHash: () => Uint8Array
}

/** Room for what names a body in an answer. */
const BODY_BYTES_MAX = TRANSPORT_LIMITS.clientFrameBytes - 4096

export class Receipts {
  readonly #options: ReceiptOptions

  constructor(options: ReceiptOptions) {
    this.#options = options
  }

  /** All of a receipt but signatures. Throws `NotFound`, `FrameTooLarge`. */
  async body(index: number, position: number): Promise<Uint8Array> {
    const { core, sha256, steps, isPlain } = this.#options
    const entry = await this.#entry(index)
    const place = placeOf(entry, position)
    if (place === null) throw new KnhkError('NotFound', `entry ${index} holds no operation at position ${position}`)
    const { mode, epoch, membership } = core.status()
    const results = this.#results(entry)
    const requests = results?.requests ?? null
    const chainBefore = mode === 'raft' ? (results?.chainBefore ?? null) : null
    const body: ReceiptBody = {
      entry,
      request: place.request,
      place: { ordinal: place.ordinal, count: place.count },
      path: merklePath(sha256, entry.body, place.ordinal),
      steps: isPlain ? [] : await steps.upTo(epoch, membership.index),
      result: requests === null ? null : { requests, chainBefore },
    }
    const encoded = encodeReceiptBody(body)
    if (encoded.length > BODY_BYTES_MAX)
      throw new KnhkError('FrameTooLarge', `the receipt would take ${encoded.length} bytes`)
    return encoded
  }

  /** This node's signature under the entry and, where its results are kept, what it came to. Throws `NotFound`, `NotLeader`, `Refused`. */
  async sign(index: number): Promise<Uint8Array> {
    const { core, signer, sha256, clusterId, isPlain, configHash } = this.#options
    const entry = await this.#entry(index)
    const { mode, role, epoch } = core.status()
    if (isPlain && role !== 'leader') throw new KnhkError('NotLeader', 'in plain Raft the leader signs receipts')
    const place: SigningPlace = { mode, epoch }
    const results = this.#results(entry)
    const statement =
      results === null || results.requests === null
        ? entryStatement(place, entry)
        : resultStatement(sha256, place, entry, results.root, results.chainBefore)
    const out = new ByteWriter(256)
    writeSigned(out, signer.sign({ clusterId, configHash: configHash() }, statement))
    return out.finish()
  }

  /** Only what this node executed: nothing else can be vouched for. */
  async #entry(index: number): Promise<Entry> {
    const { log, execution } = this.#options
    if (execution.isRestoring)
      throw new KnhkError('ResourceExhausted', 'a snapshot is replacing the state of this node')
    const isThere = index >= log.firstIndex && index <= execution.appliedIndex
    const [entry] = isThere ? await log.read(index as LogIndex, 1) : []
    if (entry === undefined || entry.index !== index) {
      throw new KnhkError('NotFound', `entry ${index} is not in the log of this node`, {
        hint: `It holds ${log.firstIndex} to ${execution.appliedIndex}; receipts live until their entry is compacted away.`,
        details: { index, firstIndex: log.firstIndex, appliedIndex: execution.appliedIndex },
      })
    }
    return entry
  }

  #results({ index, kind }: Entry): EntryResults | null {
    const record = kind === 'data' ? this.#options.state.get(resultKey(index)) : undefined
    return record === undefined ? null : decodeEntryResults(record)
  }
}

interface FoundRequest extends BatchPlace {
  readonly request: Uint8Array
}

/** The request with the operation at this position; null for none. What members made themselves counts as one operation. */
function placeOf({ kind, body }: Entry, position: number): FoundRequest | null {
  let found: { readonly request: Uint8Array; readonly ordinal: number } | null = null
  let count = 0
  let first = 0
  for (const request of requestsOf(body)) {
    const next = first + (kind === 'data' ? operationsIn(request) : 1)
    if (position >= first && position < next) found = { request, ordinal: count }
    first = next
    count++
  }
  return found === null ? null : { ...found, count }
}

function requestsOf(body: Uint8Array): Uint8Array[] {
  const requests: Uint8Array[] = []
  forEachRequest(body, (start, end) => requests.push(body.subarray(start, end)))
  return requests
}

/** As apply counts: one result stands for a request that cannot be read. */
function operationsIn(request: Uint8Array): number {
  const cursor = new RequestCursor()
  cursor.open(encodeBody([request]))
  cursor.nextRequest()
  return cursor.wellFormed ? cursor.operationCount : 1
}
