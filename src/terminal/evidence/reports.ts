/** `evidence list`, `export` and `verify`: what proves that members lied. */
import { toHex } from '../../base/bytes.js'
import { hasCode, KnhkError } from '../../base/error.js'
import type { CallOptions } from '../../client/api.js'
import { collectEvidence, type FoundEvidence, fetchEvidence } from '../../client/evidence.js'
import { type Evidence, evidenceId } from '../../consensus/bft/evidence.js'
import { sha256 } from '../../crypto/sha256.js'
import {
  type EvidenceDocument,
  evidenceDocument,
  formatDocument,
  parseEvidence,
} from '../../workflow/receipts/receipt-file.js'
import type { Trust } from '../../workflow/receipts/verify.js'
import { evidenceVerdict } from '../../workflow/receipts/verify-evidence.js'
import type { Connection } from '../connection.js'
import type { Output } from '../printer.js'
import { readProof, writeProof } from '../receipts/proof-file.js'
import { trustIn } from '../receipts/trust.js'

interface Accusation {
  readonly id: string
  readonly kind: string
  readonly culprit: string
  readonly epoch: number
  /** What it signed twice: a type of statement, in a view or round, for a sequence number or index. */
  readonly statement: string
  readonly view: number
  readonly sequence: number
}

export type EvidenceRow = Accusation & {
  readonly ordered: boolean
  readonly index: number | null
  readonly holders: readonly string[]
}

export type VerifiedEvidence = { readonly ok: boolean; readonly problem: string | null } & {
  readonly [Name in keyof Accusation]: Accusation[Name] | null
}

export async function listEvidence({ client, target }: Connection, call: CallOptions): Promise<EvidenceRow[]> {
  return (await collectEvidence(client, trustIn(target.configuration), call)).map(rowOf)
}

function rowOf({ id, file, index, holders }: FoundEvidence): EvidenceRow {
  return { ...accusationOf(id, file.evidence), ordered: index !== null, index, holders }
}

function accusationOf(id: string, { kind, culprit, epoch, first }: Evidence): Accusation {
  const { type, view, sequence } = first
  return { id, kind, culprit, epoch, statement: type, view, sequence }
}

export function evidenceListOutput(rows: readonly EvidenceRow[]): Output {
  return {
    value: rows,
    items: rows,
    ids: rows.map(({ id }) => id),
    text: ({ table, paint }) => {
      if (rows.length === 0) return paint('green', 'No member is known to have lied.')
      return table(
        ['id', 'culprit', 'kind', 'signed twice', 'epoch', 'view', 'sequence', 'ordered at'],
        rows.map(({ id, culprit, kind, statement, epoch, view, sequence, index }) => [
          id.slice(0, 16),
          culprit,
          kind,
          statement,
          epoch,
          view,
          sequence,
          index,
        ]),
      )
    },
  }
}

/** Throws `InvalidArgument`, `NotFound`, `Refused`. An unambiguous beginning of an id is enough. */
export async function exportEvidence(
  connection: Connection,
  name: string,
  out: string,
  call: CallOptions,
): Promise<EvidenceDocument> {
  const trust = trustIn(connection.target.configuration)
  const id = /^[0-9a-f]{64}$/.test(name) ? name : await completed(connection, name, call)
  const document = evidenceDocument(sha256, await fetchEvidence(connection.client, trust, id, call))
  await writeProof(out, formatDocument(document))
  return document
}

async function completed(connection: Connection, name: string, call: CallOptions): Promise<string> {
  if (!/^[0-9a-f]{4,63}$/.test(name))
    throw new KnhkError('InvalidArgument', 'the id of evidence has 64 hexadecimal digits, its beginning at least 4')
  const found = (await listEvidence(connection, call)).filter(({ id }) => id.startsWith(name))
  const [only, second] = found
  if (only === undefined || second !== undefined) {
    throw new KnhkError('NotFound', `${found.length} pieces of evidence begin with ${name}`, {
      hint: '`knhk evidence list --output id` names them whole.',
    })
  }
  return only.id
}

export function exportedOutput(document: EvidenceDocument, out: string): Output {
  return {
    value: document,
    ids: [out],
    text: ({ fields }) =>
      fields([
        ['written to', out],
        ['culprit', document.culprit],
        ['kind', document.kind],
        ['id', document.id],
      ]),
  }
}

/** Throws `NotFound` or `InvalidFile` where the file cannot be read; what is in it never throws. */
export async function verifyEvidenceFile(trust: Trust, file: string): Promise<VerifiedEvidence> {
  const text = await readProof(file)
  if (text === null) return refused('the file holds no evidence')
  try {
    const parsed = parseEvidence(sha256, text)
    const problem = evidenceVerdict(trust, parsed)
    if (problem !== null) return refused(problem)
    const { evidence } = parsed
    return { ok: true, problem: null, ...accusationOf(toHex(evidenceId(sha256, evidence)), evidence) }
  } catch (error) {
    if (hasCode(error, 'ProtocolViolation')) return refused((error as KnhkError).message)
    throw error
  }
}

/** Nothing of what does not hold is repeated: nobody is accused by it. */
function refused(problem: string): VerifiedEvidence {
  const nothing = { id: null, kind: null, culprit: null, epoch: null, statement: null, view: null, sequence: null }
  return { ok: false, problem, ...nothing }
}

export function verifiedEvidenceOutput(report: VerifiedEvidence): Output {
  const { ok, problem, id, culprit, statement, view, sequence, epoch } = report
  return {
    value: report,
    ids: culprit === null ? [] : [culprit],
    text: ({ fields, paint }) => {
      if (!ok) return paint('green', `This proves nothing against anybody: ${problem}.`)
      return `${paint('red', `${culprit} lied: it signed two different statements where it may sign one.`)}\n${fields([
        ['statement', statement],
        ['epoch', epoch],
        ['view', view],
        ['sequence', sequence],
        ['id', id],
      ])}`
    },
  }
}
