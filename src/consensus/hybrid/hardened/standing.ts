/**
 * Where a node stands in a hybrid Raft epoch, and what proves it: the end of its log in the last term it
 * took part in, certificates of terms, the highest certificates of commit and proof. This is what must be
 * there again after a crash; it is written in the same record as what it speaks of.
 */
import { ByteReader, type ByteWriter, bytesEqual } from '../../../base/bytes.js'
import { KnhkError } from '../../../base/error.js'
import { type Certificate, readCertificate, writeCertificate } from '../../bft/certificate.js'
import { readSigned, type SignedStatement, writeSigned } from '../../bft/statement.js'
import type { NodeId, Term } from '../../types.js'
import type { HistoryContent } from '../abort-history.js'
import { bareHeader, HEADERS_MAX } from '../headers.js'
import type { LogShadow } from '../log-shadow.js'
import {
  comparePlaces,
  optional,
  type Position,
  positionOf,
  type RaftEpoch,
  readList,
  readOptional,
  readPosition,
  readTerm,
  samePosition,
  type TermCertificate,
  termOf,
  writePosition,
  writeTerm,
} from '../positions.js'
import type { Grant } from './rules.js'
import type { StoredStates } from './signed-states.js'

const VERSION = 2
/** Own checkpoints in one record. */
const OWN_CHECKPOINTS_MAX = 16

export interface StoredStanding {
  readonly position: Position
  readonly term: TermCertificate | null
  readonly header: SignedStatement | null
  readonly current: TermCertificate | null
  readonly commit: Certificate | null
  readonly proof: Certificate | null
}

export class Standing {
  readonly #epoch: RaftEpoch
  readonly #shadow: LogShadow
  /** What was last acknowledged or led, or is certified: a vote and a history rest on it. */
  position: Position
  /** Of the position's term, and its leader's word; null where the position is certified or the origin. */
  term: TermCertificate | null = null
  header: SignedStatement | null = null
  /** The newest term certificate: who leads now. */
  current: TermCertificate | null = null
  commit: Certificate | null = null
  proof: Certificate | null = null
  /** Something that was signed rests on what is not written yet. */
  hasChanged = false
  /** A certificate is not written yet, and nothing that was signed rests on it: any write takes it along. */
  hasNews = false

  constructor(epoch: RaftEpoch, shadow: LogShadow, stored: StoredStanding | null) {
    this.#epoch = epoch
    this.#shadow = shadow
    this.position = epoch.origin
    if (stored === null) return
    this.position = stored.position
    this.term = stored.term
    this.header = stored.header
    this.current = stored.current
    this.commit = stored.commit
    this.proof = stored.proof
  }

  /** The highest certified position; the origin before the first. */
  get certified(): Position {
    return this.commit === null ? this.#epoch.origin : positionOf(this.commit)
  }

  /** True when the own log ends exactly where this node stands: only then it may ask for votes. */
  get isWhole(): boolean {
    const { position } = this
    return this.#shadow.lastIndex === position.index && this.holds(position)
  }

  holds({ index, hash }: { readonly index: number; readonly hash: Uint8Array }): boolean {
    const own = this.#shadow.chainAt(index)
    return own !== undefined && bytesEqual(own, hash)
  }

  /** Takes a verified term certificate. */
  learnTerm(term: TermCertificate): void {
    if (this.current !== null && termOf(term) <= termOf(this.current)) return
    this.current = term
    this.hasChanged = true
  }

  /** Takes a verified commit certificate. */
  learnCommit(commit: Certificate): void {
    const place = positionOf(commit)
    if (comparePlaces(place, this.certified) <= 0) return
    this.commit = commit
    this.hasNews = true
    // The own log ends before it, or is a branch that lost.
    if (place.term >= this.position.term && !this.holds(place)) this.#standAt(place, null, null)
  }

  /** Takes a verified commit proof. */
  learnProof(proof: Certificate): void {
    if (this.proof !== null && comparePlaces(positionOf(proof), positionOf(this.proof)) <= 0) return
    this.proof = proof
    this.hasNews = true
  }

  /** The own log holds the word of this term's leader up to `position`, an entry of its term included. */
  advance(position: Position, term: TermCertificate, header: SignedStatement): void {
    if (comparePlaces(position, this.position) <= 0) return
    this.#standAt(position, term, header)
  }

  #standAt(position: Position, term: TermCertificate | null, header: SignedStatement | null): void {
    this.position = position
    this.term = term
    this.header = header
    this.hasChanged = true
  }

  /** What is shown to voters and in an abort history: the end, its proof, and the headers up to it. */
  content(lastAck: SignedStatement | null): HistoryContent {
    const { commit, certified } = this
    const { epoch } = this.#epoch
    const isOnChain = this.holds(certified) && this.holds(this.position) && this.position.index > certified.index
    if (!isOnChain || samePosition(this.position, certified))
      return { epoch, commit, tip: certified, term: null, header: null, headers: [], lastAck }
    const { position: tip, term, header } = this
    const headers = this.#shadow.slice(certified.index + 1, tip.index, HEADERS_MAX).map(bareHeader)
    return { epoch, commit, tip, term, header, headers, lastAck }
  }
}

export function writeStanding(
  out: ByteWriter,
  standing: StoredStanding,
  grant: Grant | null,
  lastAck: SignedStatement | null,
  { own, stable }: StoredStates,
): void {
  out.u8(VERSION)
  writePosition(out, standing.position)
  optional(out, standing.term, writeTerm)
  optional(out, standing.header, writeSigned)
  optional(out, standing.current, writeTerm)
  optional(out, standing.commit, writeCertificate)
  optional(out, standing.proof, writeCertificate)
  optional(out, grant, (inner, { term, candidate, tip, vote }) => {
    inner.u64(term).text(candidate)
    writePosition(inner, tip)
    writeSigned(inner, vote)
  })
  optional(out, lastAck, writeSigned)
  out.u32(own.length)
  for (const vote of own) writeSigned(out, vote)
  optional(out, stable, writeCertificate)
}

export interface StoredRaft {
  readonly standing: StoredStanding
  readonly grant: Grant | null
  readonly lastAck: SignedStatement | null
  readonly states: StoredStates
}

/** Throws `ProtocolViolation`. */
export function decodeStanding(bytes: Uint8Array): StoredRaft {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== VERSION) throw new KnhkError('ProtocolViolation', 'a Raft standing of an unknown version')
  const position = readPosition(reader)
  const term = readOptional(reader, readTerm)
  const header = readOptional(reader, readSigned)
  const current = readOptional(reader, readTerm)
  const commit = readOptional(reader, readCertificate)
  const proof = readOptional(reader, readCertificate)
  const grant = readOptional(reader, (inner) => ({
    term: inner.u64() as Term,
    candidate: inner.text() as NodeId,
    tip: readPosition(inner),
    vote: readSigned(inner),
  }))
  const lastAck = readOptional(reader, readSigned)
  const own = readList(reader, OWN_CHECKPOINTS_MAX, readSigned)
  const states = { own, stable: readOptional(reader, readCertificate) }
  reader.end()
  return { standing: { position, term, header, current, commit, proof }, grant, lastAck, states }
}
