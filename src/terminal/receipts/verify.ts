/** `receipt verify`: what a receipt proves, offline. */
import { toBase64 } from '../../base/base64.js'
import { fromUtf8, toHex } from '../../base/bytes.js'
import { hasCode, KnhkError } from '../../base/error.js'
import { decodeOperation } from '../../workflow/operation-codec.js'
import { operationToJson } from '../../workflow/operation-json.js'
import type { Operation } from '../../workflow/operations.js'
import { parseReceipt } from '../../workflow/receipts/receipt-file.js'
import { type ProvenOperation, type ProvenReceipt, type Trust, verifyReceipt } from '../../workflow/receipts/verify.js'
import type { PlacedResult } from '../../workflow/result-codec.js'
import { decodeResult } from '../../workflow/result-data.js'
import { uuidFromBytes } from '../../workflow/uuid.js'
import { type Output, printable } from '../printer.js'
import { formatLocalTime } from '../times.js'
import { type Claim, inclusionClaim, resultClaim } from './claims.js'
import { readProof } from './proof-file.js'

/** Operations that people see; JSON has them all. */
const SHOWN_MAX = 20

export interface ReceiptReport {
  readonly ok: boolean
  /** Null where it holds. */
  readonly problem: string | null
  readonly proven: ProvenReport | null
}

interface ProvenReport {
  readonly clusterId: string
  readonly protocol: string
  readonly epoch: number
  readonly index: number
  readonly kind: string
  readonly timestampMs: number
  readonly chain: string
  /** Public key of the client, hex; null for what members made themselves. */
  readonly client: string | null
  readonly clientSigned: boolean
  readonly inclusion: Claim
  /** Null where the receipt claims no result. */
  readonly result: Claim | null
  /** Those of the request; empty for what members made themselves. */
  readonly operations: readonly OperationReport[]
}

interface OperationReport {
  /** Offset in the entry; null without results, which give it. */
  readonly position: number | null
  /** As `propose` takes it; null where it holds bytes that are no text. */
  readonly operation: Readonly<Record<string, unknown>> | null
  /** Null where the receipt claims no result. */
  readonly result: ResultReport | null
}

interface ResultReport {
  readonly ok: boolean
  readonly code: string | null
  readonly message: string | null
  readonly data: unknown
  /** Where it was executed: an earlier place for what the client sent again. */
  readonly executedAt: { readonly index: number; readonly position: number }
}

/** Throws `NotFound` or `InvalidFile` where the file cannot be read; what is in it never throws. */
export async function verifyReceiptFile(trust: Trust, file: string): Promise<ReceiptReport> {
  const text = await readProof(file)
  if (text === null) return refused('the file holds no receipt')
  try {
    const verdict = verifyReceipt(trust, parseReceipt(text))
    return verdict.problem !== null
      ? refused(verdict.problem)
      : { ok: true, problem: null, proven: provenReport(trust, verdict.proven) }
  } catch (error) {
    if (hasCode(error, 'ProtocolViolation')) return refused((error as KnhkError).message)
    throw error
  }
}

function refused(problem: string): ReceiptReport {
  return { ok: false, problem, proven: null }
}

function provenReport(trust: Trust, proven: ProvenReceipt): ProvenReport {
  const { receipt, client, clientSigned, operations } = proven
  const { clusterId, epoch, index, kind, timestampMs, chain } = receipt.entry
  return {
    clusterId: uuidFromBytes(clusterId),
    protocol: trust.configuration.protocol,
    epoch,
    index,
    kind,
    timestampMs,
    chain: toHex(chain),
    client: client === null ? null : toHex(client),
    clientSigned,
    inclusion: inclusionClaim(proven),
    result: resultClaim(proven),
    operations: operations.map(operationReport),
  }
}

function operationReport({ bytes, position, result }: ProvenOperation): OperationReport {
  const operation = decoded(() => decodeOperation(bytes))
  return {
    position,
    operation: operation === null ? null : decoded(() => operationToJson(operation)),
    result: result === null ? null : resultReport(operation, result),
  }
}

function resultReport(operation: Operation | null, { outcome, index, position }: PlacedResult): ResultReport {
  const executedAt = { index, position }
  if (!outcome.ok) return { ok: false, code: outcome.code, message: outcome.message, data: outcome.details, executedAt }
  const data = operation === null ? null : decoded(() => decodeResult(operation, outcome))
  return { ok: true, code: null, message: null, data: data === null ? null : plain(data), executedAt }
}

/** Bytes as the texts that they are, else as `{ base64 }`. */
function plain(data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, value instanceof Uint8Array ? textOrBase64(value) : value]),
  )
}

function textOrBase64(bytes: Uint8Array): unknown {
  return decoded(() => fromUtf8(bytes)) ?? { base64: toBase64(bytes) }
}

/** Null where the bytes are not what this program knows: a newer one may. */
function decoded<T>(decode: () => T): T | null {
  try {
    return decode()
  } catch (error) {
    if (error instanceof KnhkError) return null
    throw error
  }
}

export function verifiedReceiptOutput(report: ReceiptReport): Output {
  const { problem, proven } = report
  return {
    value: report,
    ids: proven === null ? [] : [`${proven.index}`],
    text: ({ fields, paint }) => {
      if (proven === null) return paint('red', `This receipt proves nothing: ${problem}.`)
      const { inclusion, result, operations } = proven
      const head = fields([
        ['cluster', proven.clusterId],
        ['index', proven.index],
        ['log time', formatLocalTime(proven.timestampMs)],
        ['client', proven.client],
      ])
      const shown = operations.slice(0, SHOWN_MAX).map(operationLine)
      const rest = operations.length - shown.length
      if (rest > 0) shown.push(`  … and ${rest} more (--json lists them all)`)
      const claims = [claimText('Inclusion', inclusion), ...(result === null ? [] : [claimText('Result', result)])]
      return [paint('green', 'The receipt holds.'), head, ...shown, ...claims].join('\n')
    },
  }
}

function operationLine({ position, operation, result }: OperationReport): string {
  const place = position === null ? '' : `${position}: `
  const came = result === null ? '' : ` → ${resultText(result)}`
  return printable(`  ${place}${operation === null ? '(bytes that are no text)' : JSON.stringify(operation)}${came}`)
}

function resultText({ ok, code, message, data }: ResultReport): string {
  if (!ok) return `rejected: ${code}: ${message}`
  return data === null ? 'ok' : `ok ${JSON.stringify(data)}`
}

function claimText(name: string, { by, proves, assumes }: Claim): string {
  return `${name} (signed by ${by.join(', ')}): ${proves}\n  It assumes ${assumes}`
}
