/**
 * Checks a receipt with nothing but what the cluster file says. All of it has to hold, or none of it
 * counts. What a receipt then proves depends on the protocol: `docs/receipts.md`.
 */
import { bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { decodeCertificate } from '../../consensus/bft/certificate.js'
import type { SignatureCheck } from '../../consensus/bft/checks.js'
import { requestCheck } from '../../consensus/bft/client-request.js'
import { decodeProof } from '../../consensus/bft/hotstuff/proof.js'
import { type SignedStatement, type Statement, sameStatement, signBytes } from '../../consensus/bft/statement.js'
import type { ClusterConfiguration } from '../../consensus/configuration.js'
import { type Sha256, verifyChain } from '../../consensus/entry.js'
import { digestOfPath } from '../../consensus/merkle-path.js'
import { encodeBody } from '../../consensus/request-body.js'
import type { Epoch, NodeId } from '../../consensus/types.js'
import { RequestCursor } from '../request-cursor.js'
import { decodeResults, type PlacedResult } from '../result-codec.js'
import { resultRoot } from '../result-log.js'
import { decisionChecks, isByzantine, type ProvenEpoch, walkPath } from './epochs.js'
import type { Receipt, ReceiptBody } from './receipt.js'
import { entryStatement, resultStatement, type SigningPlace } from './statements.js'

/** What a verifier believes, all of it from the cluster file. */
export interface Trust {
  readonly sha256: Sha256
  readonly configuration: ClusterConfiguration
  /** 32 bytes. */
  readonly clusterConfigHash: Uint8Array
  /** Whether a signature holds, by the pinned rule. */
  readonly holds: (check: SignatureCheck) => boolean
}

export interface ProvenReceipt {
  readonly receipt: Receipt
  /** The client whose request it is, 32 bytes; null for an entry that the members made themselves. */
  readonly client: Uint8Array | null
  /** The signature of the client under the request was checked. */
  readonly clientSigned: boolean
  /** All of the request, in order; none for an entry that the members made themselves. */
  readonly operations: readonly ProvenOperation[]
  /** Who decided the entry: a quorum; nobody where no certificates are made. */
  readonly deciders: readonly NodeId[]
  /** Who vouches for chain and results with a signature of its own. */
  readonly signers: readonly NodeId[]
  /** How many of each may lie without harm: the proof rests on there being no more. */
  readonly faults: { readonly deciders: number; readonly signers: number }
}

export interface ProvenOperation {
  /** As the client encoded it. */
  readonly bytes: Uint8Array
  /** Offset among all operations of the entry; null where the receipt claims no result. */
  readonly position: number | null
  /** What it came to; the place is an earlier one where the client had sent it before. Null as above. */
  readonly result: PlacedResult | null
}

/** Plain Raft tolerates no lie. */
const NO_FAULTS = { deciders: 0, signers: 0 }

export type ReceiptVerdict = { readonly problem: string } | { readonly problem: null; readonly proven: ProvenReceipt }

/** Judges a receipt. Throws nothing for what a receipt can hold. */
export function verifyReceipt(trust: Trust, receipt: Receipt): ReceiptVerdict {
  try {
    const proven = prove(trust, receipt)
    return typeof proven === 'string' ? { problem: proven } : { problem: null, proven }
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return { problem: error.message }
    throw error
  }
}

/**
 * Those among `statements` that fit the receipt and whose signatures hold: a bad one never spoils what
 * the others prove. Ascending by signer, each once; empty where the receipt itself is unsound.
 */
export function soundStatements(
  trust: Trust,
  body: ReceiptBody,
  statements: readonly SignedStatement[],
): readonly SignedStatement[] {
  const sound = new Map<NodeId, SignedStatement>()
  for (const statement of statements) {
    if (sound.has(statement.signer)) continue
    const alone = tolerantly(() => signatureOf(trust, { ...body, statements: [statement] }))
    if (alone?.every(trust.holds) === true) sound.set(statement.signer, statement)
  }
  return [...sound.values()].sort((a, b) => (a.signer < b.signer ? -1 : 1))
}

/** The checks of the statements alone; null where they do not fit. */
function signatureOf(trust: Trust, receipt: Receipt): readonly SignatureCheck[] | null {
  const { sha256, configuration, clusterConfigHash } = trust
  const { clusterId } = configuration
  if (!isByzantine(configuration)) {
    if (statementsProblem(sha256, receipt, { mode: 'raft', epoch: 0 as Epoch }) !== null) return null
    const sign = { clusterId, configHash: clusterConfigHash }
    return statementChecks(receipt.statements, sign, (id) => memberKey(configuration, id))
  }
  const path = walkPath(trust, receipt.steps)
  if (typeof path === 'string') return null
  const { mode, context } = path.epochs.at(-1) as ProvenEpoch
  if (statementsProblem(sha256, receipt, { mode, epoch: context.epoch }) !== null) return null
  return statementChecks(receipt.statements, context.sign, (id) => context.replicas.publicKeyOf(id))
}

function tolerantly<T>(judge: () => T): T | null {
  try {
    return judge()
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return null
    throw error
  }
}

function prove(trust: Trust, receipt: Receipt): ProvenReceipt | string {
  const { sha256, configuration, holds } = trust
  const { entry, request, place, path } = receipt
  if (!bytesEqual(entry.clusterId, configuration.clusterId)) return 'the receipt is of another cluster'
  if (!verifyChain(sha256, entry)) return 'the chain of the entry does not follow from its header'
  if (!bytesEqual(digestOfPath(sha256, entry.kind, place, request, path), entry.batchDigest))
    return 'the request does not stand in the entry'
  const content = contentOf(receipt)
  if (typeof content === 'string') return content
  const authority = authorityOf(trust, receipt)
  if (typeof authority === 'string') return authority
  if (!authority.checks.every(holds)) return 'a signature does not hold'
  const { deciders, signers, clientSigned, faults } = authority
  return { receipt, ...content, clientSigned, deciders, signers, faults }
}

function authorityOf(trust: Trust, receipt: Receipt): Authority | string {
  return isByzantine(trust.configuration) ? byzantineAuthority(trust, receipt) : raftAuthority(trust, receipt)
}

type Authority = Pick<ProvenReceipt, 'deciders' | 'signers' | 'clientSigned' | 'faults'> & {
  readonly checks: readonly SignatureCheck[]
}

function byzantineAuthority(trust: Trust, receipt: Receipt): Authority | string {
  const { sha256, configuration } = trust
  const { entry, request, steps, statements } = receipt
  const path = walkPath(trust, steps)
  if (typeof path === 'string') return path
  const epoch = path.epochs[entry.epoch]
  if (epoch === undefined) return 'the members of its epoch are not shown'
  const [{ context }, next] = [epoch, path.epochs[entry.epoch + 1]]
  if (entry.index <= context.origin.index || (next !== undefined && entry.index > next.context.origin.index))
    return 'the entry does not stand in its epoch'
  const proof = decisionChecks(sha256, configuration, epoch, entry)
  if (typeof proof === 'string') return proof
  const last = path.epochs.at(-1) as ProvenEpoch
  const { replicas, sign } = last.context
  const problem = statementsProblem(sha256, receipt, { mode: last.mode, epoch: last.context.epoch })
  if (problem !== null) return problem
  if (statements.length <= replicas.f) return `${statements.length} members are no proof: one honest one is needed`
  const vouched = statementChecks(statements, sign, (id) => replicas.publicKeyOf(id))
  if (vouched === null) return 'a signer is no member'
  const client = entry.kind === 'data' ? requestCheck(sha256, configuration.clusterId, request) : null
  if (entry.kind === 'data' && client === null) return 'the request carries no signature of its client'
  const { certificate } = entry
  return {
    checks: [...path.checks, ...proof, ...vouched, ...(client === null ? [] : [client])],
    deciders: certificate === null ? [] : decidersOf(epoch, certificate),
    signers: statements.map(({ signer }) => signer),
    clientSigned: client !== null,
    faults: { deciders: certificate === null ? 0 : context.replicas.f, signers: replicas.f },
  }
}

function raftAuthority({ sha256, configuration, clusterConfigHash }: Trust, receipt: Receipt): Authority | string {
  const { entry, steps, statements } = receipt
  const [statement] = statements
  if (entry.certificate !== null || steps.length > 0 || entry.epoch !== 0) return 'plain Raft has no certificates'
  if (!bytesEqual(entry.configHash, clusterConfigHash)) return 'the entry names another configuration'
  if (statement === undefined || statements.length !== 1) return 'one leader signs'
  const place: SigningPlace = { mode: 'raft', epoch: 0 as Epoch }
  const problem = statementsProblem(sha256, receipt, place)
  if (problem !== null) return problem
  const context = { clusterId: configuration.clusterId, configHash: clusterConfigHash }
  const checks = statementChecks(statements, context, (id) => memberKey(configuration, id))
  if (checks === null) return 'the signer is no member that the cluster file lists'
  return { checks, deciders: [], signers: [statement.signer], clientSigned: false, faults: NO_FAULTS }
}

/** A name that was used again belongs to the member that has it now. */
function memberKey({ genesis, members }: ClusterConfiguration, id: NodeId): Uint8Array | null {
  return [...members, ...genesis].find((member) => member.id === id)?.publicKey ?? null
}

/** What is wrong with the statements apart from their signatures; null when nothing is. */
function statementsProblem(sha256: Sha256, { entry, result, statements }: Receipt, place: SigningPlace): string | null {
  if (result !== null && (result.chainBefore === null) === (place.mode === 'raft'))
    return 'the results are not in the form of this protocol'
  const expected: Statement =
    result === null
      ? entryStatement(place, entry)
      : resultStatement(sha256, place, entry, resultRoot(sha256, entry.index, result.requests), result.chainBefore)
  if (!statements.every((statement) => sameStatement(statement, expected)))
    return 'the members signed something else than this'
  const names = statements.map(({ signer }) => signer)
  return names.every((name, i) => i === 0 || (names[i - 1] as NodeId) < name) ? null : 'a signer counts once'
}

function statementChecks(
  statements: readonly SignedStatement[],
  context: Parameters<typeof signBytes>[0],
  keyOf: (id: NodeId) => Uint8Array | null,
): SignatureCheck[] | null {
  const checks: SignatureCheck[] = []
  for (const statement of statements) {
    const publicKey = keyOf(statement.signer)
    if (publicKey === null) return null
    checks.push({ publicKey, bytes: signBytes(context, statement), signature: statement.signature })
  }
  return checks
}

function decidersOf({ mode, context: { replicas } }: ProvenEpoch, certificate: Uint8Array): NodeId[] {
  const { signers } = mode === 'pbft' ? decodeCertificate(certificate) : decodeProof(certificate).qc
  return signers.map((signer) => replicas.ids[signer] as NodeId)
}

/** The operations of the request, with what they came to; a text says what does not fit. */
function contentOf({ entry, request, place, result }: Receipt): Pick<ProvenReceipt, 'client' | 'operations'> | string {
  if (entry.kind !== 'data')
    return result === null ? { client: null, operations: [] } : 'only operations of clients have results'
  const cursor = new RequestCursor()
  cursor.open(encodeBody([request]))
  cursor.nextRequest()
  if (!cursor.wellFormed) return 'the request cannot be read'
  const results = result === null ? null : resultsOf(entry.index, place.ordinal, result.requests)
  if (results !== null && results.placed.length !== cursor.operationCount) return 'the results are of another request'
  const operations: ProvenOperation[] = []
  while (cursor.hasMoreOperations) {
    cursor.nextOperation()
    const { body, operation, operationStart, operationEnd } = cursor
    operations.push({
      bytes: body.subarray(operationStart, operationEnd),
      position: results === null ? null : results.first + operation,
      result: results?.placed[operation] ?? null,
    })
  }
  return { client: cursor.clientKey, operations }
}

/** Of one request. The results of all before it give its first position: one for each of their operations. */
function resultsOf(
  index: number,
  ordinal: number,
  requests: readonly Uint8Array[],
): { readonly first: number; readonly placed: readonly PlacedResult[] } {
  let first = 0
  for (const before of requests.slice(0, ordinal)) first += decodeResults(before, index, first).length
  return { first, placed: decodeResults(requests[ordinal] ?? NO_RESULTS, index, first) }
}

const NO_RESULTS = new Uint8Array(0)
