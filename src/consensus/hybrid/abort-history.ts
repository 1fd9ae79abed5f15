/**
 * How a node leaves a Raft epoch: one signed history of what its log holds above its highest commit
 * certificate, with everything that makes it believable: the certificate of its last term, that term's
 * leader under its last header, the chain in between, and its own last acknowledgement. A node makes one
 * per epoch; two are a proof against it.
 */
import { type ByteReader, ByteWriter, bytesEqual } from '../../base/bytes.js'
import { type Certificate, readCertificate, writeCertificate } from '../bft/certificate.js'
import type { SignatureCheck } from '../bft/checks.js'
import {
  NO_EXTRA,
  readSigned,
  type SignedStatement,
  type Statement,
  sameStatement,
  signBytes,
  writeSigned,
} from '../bft/statement.js'
import type { Sha256 } from '../entry.js'
import type { Epoch } from '../types.js'
import { type BareHeader, chainOf, readHeaders, writeHeaders } from './headers.js'
import {
  checksOfCertificate,
  optional,
  type Position,
  positionOf,
  positionStatement,
  quorumProblem,
  type RaftEpoch,
  readOptional,
  readPosition,
  readTerm,
  samePosition,
  type TermCertificate,
  termOf,
  termProblem,
  writePosition,
  writeTerm,
} from './positions.js'
import type { HistoryView } from './select.js'

export interface HistoryContent {
  readonly epoch: Epoch
  /** Highest commit certificate that is durable here; null for none in this epoch. */
  readonly commit: Certificate | null
  /** The end of the log, in the last term that this node took part in. */
  readonly tip: Position
  /** Certificate of the tip's term; null where the tip is what `commit` certifies, or the origin. */
  readonly term: TermCertificate | null
  /** That term's leader under the tip; null as above. */
  readonly header: SignedStatement | null
  /** From what is certified to the tip. */
  readonly headers: readonly BareHeader[]
  readonly lastAck: SignedStatement | null
}

export interface AbortHistory extends HistoryContent {
  /** The signature: an `abort` statement whose digest binds the content. */
  readonly vote: SignedStatement
}

/** What the signature under a history says. */
export function abortStatement(sha256: Sha256, content: HistoryContent): Statement {
  const out = new ByteWriter(1024).text('knhk/abort-history/1')
  writeContent(out, content)
  const { epoch } = content
  return { mode: 'raft', type: 'abort', epoch, view: 0, sequence: 0, digest: sha256(out.finish()), extra: NO_EXTRA }
}

/** What is wrong with a history apart from its signatures; null when nothing is. */
export function historyProblem(epoch: RaftEpoch, history: AbortHistory): string | null {
  const { vote, commit, lastAck } = history
  if (history.epoch !== epoch.epoch) return 'it is of another epoch'
  if (!epoch.replicas.has(vote.signer)) return 'its signer is no member'
  if (!sameStatement(vote, abortStatement(epoch.sha256, history))) return 'the signature is under something else'
  if (commit !== null) {
    const problem = quorumProblem(epoch, 'ack', commit)
    if (problem !== null) return problem
  }
  return chainProblem(epoch, history) ?? (lastAck === null ? null : ackProblem(epoch, history, lastAck))
}

function chainProblem(epoch: RaftEpoch, history: AbortHistory): string | null {
  const { tip, term, header, headers } = history
  const start = certifiedOf(epoch, history)
  if (headers.length === 0) {
    if (term !== null || header !== null) return 'what is certified needs no other proof'
    return samePosition(tip, start) ? null : 'its tip is not what is certified'
  }
  if (term === null || header === null) return 'its tip is not proven'
  const problem = termProblem(epoch, term)
  if (problem !== null) return problem
  if (termOf(term) !== tip.term || tip.term < start.term) return 'its tip is of another term'
  if (header.signer !== term.candidate || !sameStatement(header, positionStatement('header', epoch.epoch, tip)))
    return "its tip is not its leader's word"
  const hashes = chainOf(epoch.sha256, epoch.epoch, start, headers)
  if (tip.index !== start.index + headers.length || !bytesEqual(hashes.at(-1) as Uint8Array, tip.hash))
    return 'its headers do not lead to its tip'
  if (tip.index <= term.tip.index) return 'its last term has no entry'
  if (start.term === tip.term) return null
  const atTip = term.tip.index === start.index ? start.hash : hashes[term.tip.index - start.index - 1]
  return atTip !== undefined && bytesEqual(atTip, term.tip.hash) ? null : 'its last term does not begin at its tip'
}

function ackProblem(epoch: RaftEpoch, history: AbortHistory, ack: SignedStatement): string | null {
  if (ack.signer !== history.vote.signer) return 'its last acknowledgement is of another member'
  const claimed = { term: ack.view, index: ack.sequence, hash: ack.digest } as Position
  if (!sameStatement(ack, positionStatement('ack', epoch.epoch, claimed))) return 'its last acknowledgement is none'
  if (claimed.term > history.tip.term) return 'it ends before what its signer acknowledged'
  const start = certifiedOf(epoch, history)
  // Another branch of the term may have been certified: then what was acknowledged on this one counts for nothing.
  if (claimed.term < history.tip.term || claimed.index < start.index || history.headers.length === 0) return null
  if (claimed.index > history.tip.index) return 'it ends before what its signer acknowledged'
  const at = claimed.index === start.index ? start.hash : viewOf(epoch, history).hashes[claimed.index - start.index - 1]
  return at !== undefined && bytesEqual(at, claimed.hash) ? null : 'it lacks what its signer acknowledged'
}

function certifiedOf({ origin }: RaftEpoch, { commit }: HistoryContent): Position {
  return commit === null ? origin : positionOf(commit)
}

/** The signatures of a sound history: each has to hold. */
export function historyChecks(epoch: RaftEpoch, history: AbortHistory): SignatureCheck[] {
  const { commit, term, header, lastAck, vote } = history
  const checks: SignatureCheck[] = []
  for (const certificate of [commit, term?.certificate ?? null]) {
    if (certificate !== null) checks.push(...checksOfCertificate(epoch, certificate))
  }
  for (const signed of [header, lastAck, vote]) {
    if (signed === null) continue
    const publicKey = epoch.replicas.publicKeyOf(signed.signer)
    if (publicKey !== null)
      checks.push({ publicKey, bytes: signBytes(epoch.sign, signed), signature: signed.signature })
  }
  return checks
}

/** A sound history as SELECT sees it. */
export function viewOf(epoch: RaftEpoch, history: AbortHistory): HistoryView {
  const { tip, headers, term, vote } = history
  const certified = certifiedOf(epoch, history)
  return {
    signer: vote.signer,
    certified,
    tip,
    hashes: chainOf(epoch.sha256, epoch.epoch, certified, headers),
    kinds: headers.map(({ kind }) => kind),
    term: term === null ? null : { leader: term.candidate, tip: term.tip },
  }
}

function writeContent(out: ByteWriter, content: HistoryContent): void {
  const { epoch, commit, tip, term, header, headers, lastAck } = content
  out.u32(epoch)
  optional(out, commit, writeCertificate)
  writePosition(out, tip)
  optional(out, term, writeTerm)
  optional(out, header, writeSigned)
  writeHeaders(out, headers)
  optional(out, lastAck, writeSigned)
}

export function writeHistory(out: ByteWriter, history: AbortHistory): void {
  writeContent(out, history)
  writeSigned(out, history.vote)
}

/** Throws `ProtocolViolation`. */
export function readHistory(reader: ByteReader): AbortHistory {
  const epoch = reader.u32() as Epoch
  const commit = readOptional(reader, readCertificate)
  const tip = readPosition(reader)
  const term = readOptional(reader, readTerm)
  const header = readOptional(reader, readSigned)
  const headers = readHeaders(reader)
  const lastAck = readOptional(reader, readSigned)
  return { epoch, commit, tip, term, header, headers, lastAck, vote: readSigned(reader) }
}
