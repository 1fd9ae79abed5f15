/**
 * Collects a receipt: the entry from one member, signatures from as many as a proof needs. Nobody is
 * believed: what a member gives counts only where it fits and holds, and a liar's share spoils nothing.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { ByteReader } from '../base/bytes.js'
import { hasCode, KnhkError } from '../base/error.js'
import { readSigned, type SignedStatement } from '../consensus/bft/statement.js'
import { decodeReceiptBody, type Receipt, type ReceiptBody } from '../workflow/receipts/receipt.js'
import { type ReceiptVerdict, soundStatements, type Trust, verifyReceipt } from '../workflow/receipts/verify.js'
import type { CallOptions, Client } from './api.js'

export interface ReceiptPlace {
  readonly index: number
  /** Offset of the operation in its entry. */
  readonly position: number
}

type Asked = Pick<Client, 'query' | 'clusterStatus'>

const DEFAULT_TIMEOUT_MS = 10_000
const PAUSE_MS = 100
/** A member that does not answer in this time is asked in the next round. */
const ROUND_MS = 3_000

/**
 * A receipt that holds, as `trust` sees it. Throws what members say where none has the entry
 * (`NotFound`), `DeadlineExceeded` where too few sign in time, `Unreachable`.
 */
export async function collectReceipt(
  client: Asked,
  trust: Trust,
  place: ReceiptPlace,
  options: CallOptions = {},
): Promise<Receipt> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options
  const endMs = performance.now() + timeoutMs
  let failure: KnhkError | null = null
  for (;;) {
    signal?.throwIfAborted()
    const round = await collectOnce(client, trust, place, {
      ...options,
      timeoutMs: Math.max(1, Math.min(ROUND_MS, endMs - performance.now())),
    })
    if (!(round instanceof KnhkError)) return round
    // That nobody has it will not change; everything else may.
    if (hasCode(round, 'NotFound') || hasCode(round, 'UnknownKey')) throw round
    failure = round
    if (performance.now() + PAUSE_MS >= endMs) throw failure
    await delay(PAUSE_MS, undefined, { signal })
  }
}

async function collectOnce(
  client: Asked,
  trust: Trust,
  place: ReceiptPlace,
  options: CallOptions,
): Promise<Receipt | KnhkError> {
  const asked = await whoToAsk(client, trust, options)
  if (asked instanceof KnhkError) return asked
  const { ids, read } = asked
  const ask = (node: string, name: string, args: Readonly<Record<string, unknown>>): Promise<unknown> =>
    client.query(name, args, { ...options, read, node }).then(({ value }) => value)
  const { index, position } = place
  const [bodies, statements] = await Promise.all([
    settle(ids.map((id) => ask(id, 'receipt.get', { index, position }).then(bodyIn))),
    settle(ids.map((id) => ask(id, 'receipt.sign', { index }).then(statementIn))),
  ])
  let verdict: ReceiptVerdict | null = null
  for (const body of bodies.values) {
    // What a member says of another place is no answer to this question.
    if (body.entry.index !== index) continue
    const sound = soundStatements(trust, body, statements.values)
    if (sound.length === 0) continue
    const receipt: Receipt = { ...body, statements: sound }
    verdict = verifyReceipt(trust, receipt)
    if (verdict.problem === null && isAt(verdict, position)) return receipt
  }
  if (bodies.values.length === 0 && bodies.errors.length > 0) return mostTelling(bodies.errors)
  const why = verdict?.problem ?? 'too few members signed it'
  return new KnhkError('DeadlineExceeded', `no receipt that holds could be collected: ${why}`, {
    details: { members: ids.length, bodies: bodies.values.length, signatures: statements.values.length },
  })
}

/** In plain Raft the leader, confirmed by a quorum; else everybody who can be reached. */
async function whoToAsk(
  client: Asked,
  { configuration }: Trust,
  options: CallOptions,
): Promise<{ readonly ids: readonly string[]; readonly read: 'linearizable' | 'local' } | KnhkError> {
  const { leader, nodes } = await client.clusterStatus(options)
  const up = nodes.filter(({ reachable }) => reachable)
  const [down] = nodes.filter(({ reachable }) => !reachable)
  if (up.length === 0) {
    const { error = null } = down ?? {}
    return new KnhkError(error?.code ?? 'Unreachable', error?.message ?? 'no member can be reached')
  }
  if (configuration.protocol !== 'raft') return { ids: up.map(({ id }) => id), read: 'local' }
  if (leader === null) return new KnhkError('NoLeader', 'in plain Raft the leader signs receipts, and there is none')
  return { ids: [leader], read: 'linearizable' }
}

/** The request with the operation that was asked for: where results prove positions, they are compared. */
function isAt({ proven }: Extract<ReceiptVerdict, { problem: null }>, position: number): boolean {
  const { operations, receipt } = proven
  return receipt.result === null || operations.some((operation) => operation.position === position)
}

function bodyIn(value: unknown): ReceiptBody {
  return decodeReceiptBody(bytesIn(value, 'body'))
}

function statementIn(value: unknown): SignedStatement {
  const reader = new ByteReader(bytesIn(value, 'statement'))
  const statement = readSigned(reader)
  reader.end()
  return statement
}

function bytesIn(value: unknown, name: string): Uint8Array {
  const bytes = (value as Readonly<Record<string, unknown>> | null)?.[name]
  if (!(bytes instanceof Uint8Array)) throw new KnhkError('ProtocolViolation', `an answer without ${name}`)
  return bytes
}

async function settle<T>(
  promises: readonly Promise<T>[],
): Promise<{ readonly values: readonly T[]; readonly errors: readonly KnhkError[] }> {
  const values: T[] = []
  const errors: KnhkError[] = []
  for (const outcome of await Promise.allSettled(promises)) {
    if (outcome.status === 'fulfilled') values.push(outcome.value)
    else if (outcome.reason instanceof KnhkError) errors.push(outcome.reason)
    else throw outcome.reason
  }
  return { values, errors }
}

/** Where all say that it is not there, it is not there; else what went wrong with one that might have it. */
function mostTelling(errors: readonly KnhkError[]): KnhkError {
  return errors.find(({ code }) => code !== 'NotFound') ?? (errors[0] as KnhkError)
}
