/**
 * Recorded histories of key-value operations: one NDJSON line per operation, as the benchmark, the
 * chaos tests and the simulator write them. Reading is strict, because a checker that guesses proves
 * nothing: what breaks the format is an error that names its line.
 *
 * `call` and `return` are integer nanoseconds of one monotonic clock; `return` is null exactly when the
 * outcome is unknown, and no client id has two operations open at once.
 */
import { KnhkError } from '../base/error.js'

const OPERATIONS = ['put', 'get', 'delete', 'cas'] as const
const OUTCOMES = ['ok', 'failed', 'unknown'] as const

export interface HistoryOperation {
  readonly client: string
  readonly op: (typeof OPERATIONS)[number]
  readonly key: string
  /** Of put and cas; null otherwise. */
  readonly value: string | null
  /** Of cas; null: the key must be absent. */
  readonly expected: string | null
  readonly call: bigint
  readonly return: bigint | null
  /** `failed`: certainly took no effect. `unknown`: may take effect at any time after the call, or never. */
  readonly outcome: (typeof OUTCOMES)[number]
  /** get: the value that was read, null for an absent key. cas: whether it matched. Otherwise not looked at. */
  readonly result: string | boolean | null
}

/** Longest accepted line, in characters: a value at its limit, escaped, with room to spare. */
const LINE_CHARACTERS_MAX = 16 * 1024 * 1024

/** Reads NDJSON; empty lines are skipped. Throws `InvalidArgument` that names the line. */
export function parseHistory(text: string): HistoryOperation[] {
  const history: HistoryOperation[] = []
  text.split('\n').forEach((line, at) => {
    if (line.trim() === '') return
    try {
      history.push(parseLine(line))
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new KnhkError('InvalidArgument', `line ${at + 1} of the history: ${reason}`, { details: { line: at + 1 } })
    }
  })
  checkClients(history)
  return history
}

/** The NDJSON form, one line per operation, in the order given. */
export function formatHistory(history: readonly HistoryOperation[]): string {
  return history.map((operation) => `${formatOperation(operation)}\n`).join('')
}

/** One line without the line feed. The times are written as bare integers, whatever their size. */
export function formatOperation({ call, return: end, ...rest }: HistoryOperation): string {
  const { client, op, key, value, expected, outcome, result } = rest
  const head = JSON.stringify({ client, op, key, value, expected })
  return `${head.slice(0, -1)},"call":${call},"return":${end},${JSON.stringify({ outcome, result }).slice(1)}`
}

function parseLine(line: string): HistoryOperation {
  if (line.length > LINE_CHARACTERS_MAX) throw new Error('it is too long')
  // Nanoseconds of a machine that is up for months do not fit into a double: read them as text.
  const fields: unknown = JSON.parse(line.replaceAll(/"(call|return)"\s*:\s*(\d+)/g, '"$1":"$2"'))
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) throw new Error('it is not an object')
  const record = fields as Readonly<Record<string, unknown>>
  const operation: HistoryOperation = {
    client: text(record, 'client'),
    op: oneOf(record, 'op', OPERATIONS),
    key: text(record, 'key'),
    value: textOrNull(record, 'value'),
    expected: textOrNull(record, 'expected'),
    call: time(record, 'call') ?? fail('call is null'),
    return: time(record, 'return'),
    outcome: oneOf(record, 'outcome', OUTCOMES),
    result: typeof record.result === 'boolean' ? record.result : textOrNull(record, 'result'),
  }
  checkOperation(operation)
  return operation
}

function checkOperation({ op, value, call, return: end, outcome, result }: HistoryOperation): void {
  if ((end === null) !== (outcome === 'unknown')) fail('return is null exactly when the outcome is unknown')
  if (end !== null && end < call) fail('it returns before it is called')
  if ((op === 'put' || op === 'cas') && value === null) fail(`${op} has a value`)
  if (outcome !== 'ok') return
  if (op === 'cas' && typeof result !== 'boolean') fail('the result of cas is true or false')
  if (op !== 'cas' && typeof result === 'boolean') fail(`the result of ${op} is a string or null`)
}

/** A client with two open operations is a recording error: the checker would see an order that was none. */
function checkClients(history: readonly HistoryOperation[]): void {
  const last = new Map<string, HistoryOperation>()
  for (const operation of [...history].sort((a, b) => (a.call < b.call ? -1 : a.call > b.call ? 1 : 0))) {
    const before = last.get(operation.client)
    if (before !== undefined && (before.return === null || before.return > operation.call)) {
      throw new KnhkError('InvalidArgument', `client ${operation.client} has two operations open at once`, {
        details: { client: operation.client },
      })
    }
    last.set(operation.client, operation)
  }
}

function fail(message: string): never {
  throw new Error(message)
}

function text(record: Readonly<Record<string, unknown>>, name: string): string {
  const value = record[name]
  return typeof value === 'string' ? value : fail(`${name} is not a string`)
}

function textOrNull(record: Readonly<Record<string, unknown>>, name: string): string | null {
  return record[name] === null ? null : text(record, name)
}

function time(record: Readonly<Record<string, unknown>>, name: string): bigint | null {
  const value = record[name]
  if (value === null) return null
  return typeof value === 'string' && /^\d+$/.test(value)
    ? BigInt(value)
    : fail(`${name} is not a whole number of nanoseconds`)
}

function oneOf<T extends string>(record: Readonly<Record<string, unknown>>, name: string, names: readonly T[]): T {
  return names.find((one) => one === record[name]) ?? fail(`${name} is none of ${names.join(', ')}`)
}
