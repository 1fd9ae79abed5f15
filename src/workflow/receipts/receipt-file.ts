/**
 * Receipts and evidence as files: one JSON document whose readable fields repeat what the encoded part
 * says, so that people and scripts see what they hold. A file is taken only when it is, byte for byte,
 * the one that would be written for its content: nothing in it can be changed without notice.
 */
import { fromBase64, toBase64 } from '../../base/base64.js'
import { ByteReader, ByteWriter, toHex } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { decodeEvidence, type Evidence, encodeEvidence, evidenceId } from '../../consensus/bft/evidence.js'
import type { Sha256 } from '../../consensus/entry.js'
import { uuidFromBytes, uuidToBytes } from '../uuid.js'
import { type EpochPath, readPath, writePath } from './epochs.js'
import { decodeReceipt, encodeReceipt, RECEIPT_BYTES_MAX, type Receipt } from './receipt.js'

export const RECEIPT_FORMAT = 'knhk-receipt/1'
export const EVIDENCE_FORMAT = 'knhk-evidence/1'
/** Of a file of either kind: base64 and the fields around it. */
export const PROOF_FILE_BYTES_MAX = Math.ceil(RECEIPT_BYTES_MAX / 3) * 4 + 4096

/** The JSON of a receipt. */
export interface ReceiptDocument {
  readonly format: typeof RECEIPT_FORMAT
  readonly clusterId: string
  readonly index: number
  /** Its place among the requests of the entry. */
  readonly request: number
  /** Whether it claims a result, besides that the entry is in the log. */
  readonly claimsResult: boolean
  readonly signers: readonly string[]
  /** Base64. */
  readonly receipt: string
}

export interface EvidenceDocument {
  readonly format: typeof EVIDENCE_FORMAT
  readonly clusterId: string
  readonly id: string
  readonly kind: string
  readonly culprit: string
  readonly epoch: number
  /** Base64, and so the steps. */
  readonly evidence: string
  readonly steps: string
}

/** Evidence with what shows who the members of its epoch were. */
export interface EvidenceFile {
  /** 16 bytes. */
  readonly clusterId: Uint8Array
  readonly evidence: Evidence
  readonly steps: EpochPath
}

export function receiptDocument(receipt: Receipt): ReceiptDocument {
  const { entry, place, result, statements } = receipt
  return {
    format: RECEIPT_FORMAT,
    clusterId: uuidFromBytes(entry.clusterId),
    index: entry.index,
    request: place.ordinal,
    claimsResult: result !== null,
    signers: statements.map(({ signer }) => signer),
    receipt: toBase64(encodeReceipt(receipt)),
  }
}

export function evidenceDocument(sha256: Sha256, { clusterId, evidence, steps }: EvidenceFile): EvidenceDocument {
  const chain = new ByteWriter(256)
  writePath(chain, steps)
  return {
    format: EVIDENCE_FORMAT,
    clusterId: uuidFromBytes(clusterId),
    id: toHex(evidenceId(sha256, evidence)),
    kind: evidence.kind,
    culprit: evidence.culprit,
    epoch: evidence.epoch,
    evidence: toBase64(encodeEvidence(evidence)),
    steps: toBase64(chain.finish()),
  }
}

/** The text of a file. */
export function formatDocument(document: ReceiptDocument | EvidenceDocument): string {
  return `${JSON.stringify(document, null, 2)}\n`
}

/** Throws `ProtocolViolation` for anything but the text of a receipt. */
export function parseReceipt(text: string): Receipt {
  const receipt = decodeReceipt(encodedField(documentOf(text, RECEIPT_FORMAT), 'receipt'))
  if (formatDocument(receiptDocument(receipt)) !== text) throw malformed('the receipt says one thing and holds another')
  return receipt
}

/** Throws `ProtocolViolation` for anything but the text of a file of evidence. */
export function parseEvidence(sha256: Sha256, text: string): EvidenceFile {
  const document = documentOf(text, EVIDENCE_FORMAT)
  const evidence = decodeEvidence(encodedField(document, 'evidence'))
  const reader = new ByteReader(encodedField(document, 'steps'))
  const steps = readPath(reader)
  reader.end()
  const { clusterId: name } = document
  const file = { clusterId: clusterIdOf(name), evidence, steps }
  if (formatDocument(evidenceDocument(sha256, file)) !== text)
    throw malformed('the file says one thing and holds another')
  return file
}

function documentOf(text: string, format: string): Readonly<Record<string, unknown>> {
  if (text.length > PROOF_FILE_BYTES_MAX) throw malformed('the file is too large')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw malformed('the file is not JSON')
  }
  if (typeof value !== 'object' || value === null || (value as { format?: unknown }).format !== format)
    throw malformed(`the file is not of the format ${format}`)
  return value as Readonly<Record<string, unknown>>
}

function encodedField(document: Readonly<Record<string, unknown>>, name: string): Uint8Array {
  const value = document[name]
  const bytes = typeof value === 'string' ? fromBase64(value) : null
  if (bytes === null) throw malformed(`its ${name} is not base64`)
  return bytes
}

function clusterIdOf(name: unknown): Uint8Array {
  if (typeof name !== 'string') throw malformed('it names no cluster')
  try {
    return uuidToBytes(name, 'the cluster id')
  } catch (error) {
    if (error instanceof KnhkError) throw malformed('it names no cluster')
    throw error
  }
}

function malformed(problem: string): KnhkError {
  return new KnhkError('ProtocolViolation', problem)
}
