/**
 * The operations in the body of a committed entry, one by one with their places, for those who read the log: the
 * export of a log, the stream of changes. What an operation came to does not stand in the log: rejected ones are
 * among them, and one that a client had to send again can stand there twice, with one session and sequence; only
 * the first counts.
 */
import { toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { decodeOperation } from './operation-codec.js'
import { operationToJson } from './operation-json.js'
import type { Operation } from './operations.js'
import { RequestCursor } from './request-cursor.js'

/** One operation at its place; plain data. */
export interface CommittedOperation {
  readonly index: number
  /** Offset in its entry: with `index` the place that results name. */
  readonly position: number
  /** Log time. */
  readonly timestampMs: number
  /** Public key of the client that sent it, hex. */
  readonly client: string
  /** `INDEX:OFFSET` of the session and the number in it; both null for what opens one. Together they name the operation. */
  readonly session: string | null
  readonly sequence: number | null
  /** The JSON form that `propose` takes; null where it holds bytes that are no text. */
  readonly operation: Readonly<Record<string, unknown>> | null
  readonly type: Operation['type'] | null
}

interface EntryPlace {
  readonly index: number
  readonly kind: string
  readonly timestampMs: number
  readonly body: Uint8Array
}

/** In log order; none for an entry that holds no operations of clients. Never throws: what cannot be decoded is null. */
export function* committedOperations({ index, kind, timestampMs, body }: EntryPlace): Generator<CommittedOperation> {
  if (kind !== 'data') return
  const cursor = new RequestCursor()
  cursor.open(body)
  let position = 0
  while (cursor.hasMoreRequests) {
    cursor.nextRequest()
    if (!cursor.wellFormed) continue
    const client = toHex(cursor.clientKey)
    while (cursor.hasMoreOperations) {
      cursor.nextOperation()
      const decoded = decode(body.subarray(cursor.operationStart, cursor.operationEnd))
      const session = cursor.sessionIndex === 0 ? null : `${cursor.sessionIndex}:${cursor.sessionOffset}`
      const sequence = session === null ? null : cursor.firstSequence + cursor.operation
      yield { index, position, timestampMs, client, session, sequence, ...decoded }
      position++
    }
  }
}

function decode(bytes: Uint8Array): Pick<CommittedOperation, 'operation' | 'type'> {
  let type: Operation['type'] | null = null
  try {
    const operation = decodeOperation(bytes)
    type = operation.type
    return { type, operation: operationToJson(operation) }
  } catch (error) {
    if (!(error instanceof KnhkError)) throw error
    return { type, operation: null }
  }
}
