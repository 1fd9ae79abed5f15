/**
 * --request-id: the flag of the commands that propose, and what follows from it. A second run has to send the very
 * same operation, so ids that a command would otherwise roll dice for come from the request id.
 */
import * as Flags from '@oclif/core/flags'
import { KnhkError } from '../base/error.js'
import type { SettledOperation } from '../client/api.js'
import type { Target } from '../cluster/target.js'
import type { Operation } from '../workflow/operations.js'

/** One less than the state machine takes by the longest suffix that `propose` adds: a colon and a line number. */
export const REQUEST_ID_FLAG_CHARS_MAX = 100
const REQUEST_ID = /^[\x21-\x7e]+$/

export const requestIdFlag = Flags.custom<string>({
  summary: 'Apply at most once: a second run within a day of log time gives the first result.',
  helpValue: 'ID',
  parse: async (text) => parseRequestId(text),
})()

/** Throws `InvalidArgument`. */
function parseRequestId(text: string): string {
  if (text.length <= REQUEST_ID_FLAG_CHARS_MAX && REQUEST_ID.test(text)) return text
  const form = `1 to ${REQUEST_ID_FLAG_CHARS_MAX} printable ASCII characters without spaces`
  throw new KnhkError('InvalidArgument', `${JSON.stringify(text)} is no request id: ${form}`, {
    details: { flag: 'request-id' },
  })
}

/** The operation under its request id, where it has one. */
export function underRequestId(operation: Operation, requestId: string | undefined): Operation {
  return requestId === undefined ? operation : { type: 'Once', requestId, operation }
}

/** The id that stands for one line of many. */
export function lineRequestId(requestId: string | undefined, line: number): string | undefined {
  return requestId === undefined ? undefined : `${requestId}:${line}`
}

/** Whether a run before this one got the result: it stands before the session that this one opened. */
export function isRepeated({ index }: SettledOperation, session: { readonly index: number }): boolean {
  return index < session.index
}

/** The case id that a request id of this client stands for, as a UUID of version 8 (RFC 9562, section 5.8). */
export async function caseIdOf(requestId: string, { keyPath }: Pick<Target, 'keyPath'>): Promise<string> {
  const [{ loadKeyPair }, { sha256 }, { concatBytes, toUtf8 }, { uuidFromBytes }] = await Promise.all([
    import('../crypto/key-files.js'),
    import('../crypto/sha256.js'),
    import('../base/bytes.js'),
    import('../workflow/uuid.js'),
  ])
  const { publicKey } = await loadKeyPair(keyPath)
  const id = sha256(concatBytes([toUtf8('knhk/case-of-request/1'), publicKey, toUtf8(requestId)])).slice(0, 16)
  id[6] = 0x80 | ((id[6] as number) & 0x0f)
  id[8] = 0x80 | ((id[8] as number) & 0x3f)
  return uuidFromBytes(id)
}
