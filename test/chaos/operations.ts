/** One key-value operation of a chaos client, from its call to its line in the history. */
import { KnhkError } from '../../src/base/error.js'
import { ERROR_CODES } from '../../src/base/error-codes.js'
import type { ClientSession, ClusterClient } from '../../src/client/index.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import type { KvOperation } from '../../src/workflow/operations.js'
import type { OpenCall, Recorder } from './recorder.js'

/** Exit codes that say: certainly not applied. */
const NEVER_APPLIED: readonly number[] = [7, 8]

/** Reads a key; null for one that nobody wrote. A read that fails has no effect, and `undefined` as result. */
export async function readKey(
  client: ClusterClient,
  recorder: Recorder,
  options: { readonly lane: string; readonly key: string; readonly timeoutMs: number; readonly node?: string },
): Promise<string | null | undefined> {
  const { lane, key, timeoutMs, node } = options
  const open = recorder.call(lane, { op: 'get', key, value: null, expected: null })
  try {
    const query = { timeoutMs, ...(node === undefined ? {} : { node }) }
    const answer = await client.query('kv.get', { key: Buffer.from(key) }, query)
    const { value } = answer.value as { readonly value: Uint8Array | null }
    const text = value === null ? null : Buffer.from(value).toString()
    recorder.return(open, 'ok', text)
    return text
  } catch (error) {
    if (!(error instanceof KnhkError)) throw error
    recorder.return(open, 'failed', null)
    return undefined
  }
}

/** Makes a write. Gives false where its session is of no further use: its outcome is not known. */
export async function write(
  session: ClientSession,
  recorder: Recorder,
  open: OpenCall,
  timeoutMs: number,
): Promise<boolean> {
  try {
    const [settled] = await session.submit([kvOperation(operationOf(open))], { timeoutMs })
    const outcome = settled?.outcome
    if (outcome?.ok === true) recorder.return(open, 'ok', open.op === 'cas' ? true : null)
    else if (outcome?.code === 'CompareMismatch') recorder.return(open, 'ok', false)
    // Rejected by the state machine for another reason (an expired session): it had no effect.
    else recorder.return(open, 'failed', null)
    return outcome?.ok === true || outcome?.code === 'CompareMismatch'
  } catch (error) {
    if (!(error instanceof KnhkError)) throw error
    const isOver = NEVER_APPLIED.includes(ERROR_CODES[error.code].exit)
    recorder.return(open, isOver ? 'failed' : 'unknown', null)
    return isOver
  }
}

function operationOf({ op, key: keyText, value: valueText, expected }: OpenCall): KvOperation {
  const key = Buffer.from(keyText)
  const value = Buffer.from(valueText ?? '')
  if (op === 'delete') return { operation: 'kv.delete', key }
  if (op === 'put') return { operation: 'kv.put', key, value }
  return { operation: 'kv.cas', key, expected: expected === null ? null : Buffer.from(expected), value }
}
