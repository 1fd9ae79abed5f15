/**
 * Raft in an epoch of the hybrid: `RaftCore` inside, and around it what makes it bear liars (rules R1 to
 * R9; docs/decisions/0008-hybrid.md). What comes in is judged, and set right, before Raft sees it; what goes
 * out is signed; what Raft calls committed is told only as far as certificates of a Byzantine quorum reach.
 */
import { assert } from '../../../base/assert.js'
import { type ByteWriter, bytesEqual } from '../../../base/bytes.js'
import { makeCertificate } from '../../bft/certificate.js'
import type { SignatureCheck } from '../../bft/checks.js'
import type { SignedStatement } from '../../bft/statement.js'
import type { ClusterSettings } from '../../configuration.js'
import type { CoreStatus, Effect, Input, Now, ProtocolMessage, RestoredLog } from '../../core.js'
import type { EntryKind } from '../../entry.js'
import type { Membership, MembershipRecord } from '../../membership.js'
import type { RaftLimits } from '../../raft/config.js'
import { RaftCore } from '../../raft/core.js'
import type {
  AppendEntries,
  AppendEntriesReply,
  RaftMessage,
  RequestVote,
  RequestVoteReply,
} from '../../raft/messages.js'
import { encodeBody } from '../../request-body.js'
import type { Assurance, LogIndex, Millis, NodeId, Term } from '../../types.js'
import type { AbortHistory } from '../abort-history.js'
import { bareHeader, HEADERS_MAX } from '../headers.js'
import type { LogShadow } from '../log-shadow.js'
import type {
  HybridAck,
  HybridAppend,
  HybridCommit,
  HybridGrant,
  HybridMessage,
  HybridVoteRequest,
} from '../messages.js'
import {
  comparePlaces,
  encodeTerm,
  grantStatement,
  type Position,
  positionOf,
  type RaftEpoch,
  type TermCertificate,
  termOf,
} from '../positions.js'
import { type AppendVerdict, judgeAppend } from './append-rules.js'
import { raftChecks } from './checks.js'
import { RaftRules } from './rules.js'
import { Standing, type StoredRaft, writeStanding } from './standing.js'
import { Tally } from './tally.js'
import { deservesVote, TERM_LEAP_MAX } from './vote-rules.js'

/** Entries of a leader that no certificate covers yet; beyond, proposals wait. */
const UNCERTIFIED_MAX = HEADERS_MAX / 2

export interface HardenedOptions {
  readonly self: NodeId
  readonly epoch: RaftEpoch
  readonly membership: Membership
  readonly settings: ClusterSettings
  readonly limits: RaftLimits
}

export interface HardenedModules {
  /** Only the rules call it. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
  readonly random: () => number
  readonly restored: RestoredLog
  readonly stored: StoredRaft | null
  readonly isAborted: boolean
  readonly now: Now
  readonly shadow: LogShadow
  /** `certified` releases up to commit proofs, `fast` up to commit certificates. */
  readonly assurance: () => Exclude<Assurance, 'quorum'>
  /** A statement whose signature holds. */
  readonly onStatement: (statement: SignedStatement) => void
  /** The sender broke a rule that no signature failure shows. */
  readonly onUnsound: (from: NodeId) => void
}

interface Campaign {
  readonly term: Term
  readonly tip: Position
  readonly votes: Map<NodeId, SignedStatement>
}

type Taken = Extract<AppendVerdict, { kind: 'take' }> & {
  readonly message: HybridAppend
  readonly term: TermCertificate
}
type Out = Effect[]

export class HardenedRaft {
  readonly #options: HardenedOptions
  readonly #modules: HardenedModules
  readonly #core: RaftCore
  readonly #rules: RaftRules
  readonly #standing: Standing
  #now: Now
  #campaign: Campaign | null = null
  #acks: Tally
  #held: Tally
  #tallyTerm = 0
  /** Peers that acknowledged something in this term: they know its certificate. */
  readonly #informed = new Set<NodeId>()
  /** Higher terms that peers claim to be in; a leader heeds what f + 1 say. */
  readonly #claims = new Map<NodeId, number>()
  /** The append and the vote request that Raft is looking at. */
  #taken: Taken | null = null
  #asked: HybridVoteRequest | null = null
  /** Raft's own commit, and up to where certificates cover it. */
  #committed: LogIndex
  #covered: LogIndex
  #released: LogIndex
  #durable: LogIndex
  readonly #open: { readonly writeId: number; end: number }[] = []

  constructor(options: HardenedOptions, modules: HardenedModules) {
    const { self, epoch, membership, settings, limits } = options
    assert(settings.leaseDriftMs === null, 'there are no leases where leaders may lie')
    this.#options = options
    this.#modules = modules
    this.#now = modules.now
    const { stored, restored, shadow, isAborted } = modules
    const said = { grant: stored?.grant ?? null, lastAck: stored?.lastAck ?? null, isAborted }
    this.#rules = new RaftRules(self, epoch, modules.sign, said)
    this.#standing = new Standing(epoch, shadow, stored?.standing ?? null)
    this.#acks = new Tally(epoch, 'ack')
    this.#held = new Tally(epoch, 'held')
    this.#committed = restored.commitIndex
    this.#covered = restored.commitIndex
    this.#released = restored.commitIndex
    this.#durable = restored.lastIndex
    const hardening = { firstEntry: () => this.#firstEntry() }
    const { clusterId, configHash } = epoch.sign
    this.#core = new RaftCore(
      { self, genesis: membership, clusterId, configHash, settings, limits, hardening },
      {
        sha256: epoch.sha256,
        random: modules.random,
        restored,
        now: modules.now,
      },
    )
  }

  get core(): RaftCore {
    return this.#core
  }

  get commitIndex(): LogIndex {
    return this.#released
  }

  get lastCertificate(): Position {
    return this.#standing.certified
  }

  status(): CoreStatus {
    return { ...this.#core.status(), commitIndex: this.#released }
  }

  membershipAt(index: LogIndex): MembershipRecord {
    return this.#core.membershipAt(index)
  }

  deadline(): Millis | undefined {
    return this.#core.deadline()
  }

  mayPropose(): boolean {
    return this.#core.mayPropose() && this.#modules.shadow.lastIndex - this.#standing.certified.index < UNCERTIFIED_MAX
  }

  /** True once after what must be there after a crash changed. */
  takeChange(): boolean {
    const { hasChanged } = this.#standing
    this.#standing.hasChanged = false
    return hasChanged
  }

  writeTo(out: ByteWriter): void {
    const { grant, lastAck } = this.#rules
    writeStanding(out, this.#standing, grant, lastAck)
  }

  /** What was written of the standing is durable: this node's own HELD counts. */
  standingDurable(certified: Position | null): Effect[] {
    const out: Out = []
    if (certified !== null && this.#isLeading() && certified.term === this.#tallyTerm && certified.term > 0)
      this.#noteHeld(this.#rules.held(certified), out)
    this.#release(out)
    return out
  }

  panic(digest: Uint8Array): SignedStatement {
    return this.#rules.vote('panic', 0, digest)
  }

  /** Leaves the epoch: the one history, and nothing signed after it. */
  abort(): AbortHistory {
    return this.#rules.abort(this.#standing.content(this.#rules.lastAck))
  }

  interest(message: ProtocolMessage): 'verify' | 'keep' | 'drop' {
    switch (message.type) {
      case 'preVote':
      case 'preVoteReply':
      case 'heartbeat':
      case 'heartbeatReply':
      case 'readIndexRequest':
      case 'readIndexReply':
      case 'timeoutNow':
        return message.epoch === this.#options.epoch.epoch ? 'keep' : 'drop'
      case 'hybridAck':
        return message.ack === null && message.held === null ? 'keep' : 'verify'
      case 'hybridTerm':
        return this.#isNewTerm(message.termCertificate) ? 'verify' : 'drop'
      case 'hybridCommit':
        return this.#isNews(message) ? 'verify' : 'drop'
      default:
        return 'verify'
    }
  }

  checks(from: NodeId, message: HybridMessage): readonly SignatureCheck[] | null | undefined {
    const { epoch } = this.#options
    return raftChecks(epoch, epoch.sign.clusterId, from, message)
  }

  step(input: Input, now: Now): Effect[] {
    this.#now = now
    const out: Out = []
    switch (input.type) {
      case 'message':
        this.#receive(input.from, input.message, out)
        break
      case 'stored':
        this.#stored(input)
        this.#step(input, out)
        break
      case 'propose':
        if (this.#core.mayPropose() && !this.mayPropose())
          out.push({
            type: 'refused',
            proposalId: input.proposalId,
            code: 'ResourceExhausted',
            leader: this.#options.self,
          })
        else this.#step(input, out)
        break
      // The log is compacted in epochs whose checkpoints a quorum signs.
      case 'snapshotTaken':
        this.#step({ ...input, compactTo: null }, out)
        break
      case 'snapshotFetched':
      case 'snapshotRejected':
      case 'demand':
        break
      default:
        this.#step(input, out)
    }
    this.#certify(out)
    this.#release(out)
    return out
  }

  /** Somebody else is to lead: what f + 1 suspect, or the leader itself gives up. */
  distrustLeader(): Effect[] {
    const out: Out = []
    this.#step({ type: 'paused', pausedMs: 0 }, out)
    this.#release(out)
    return out
  }

  #isLeading(): boolean {
    return this.#core.status().role === 'leader'
  }

  #isNewTerm(term: TermCertificate): boolean {
    const { current } = this.#standing
    return current === null || termOf(term) > termOf(current)
  }

  #isNews({ commit, proof }: HybridCommit): boolean {
    const { certified, proof: known } = this.#standing
    if (comparePlaces(positionOf(commit), certified) > 0) return true
    return proof !== null && (known === null || comparePlaces(positionOf(proof), positionOf(known)) > 0)
  }

  // What comes in.

  #receive(from: NodeId, message: ProtocolMessage, out: Out): void {
    const { term, role } = this.#core.status()
    switch (message.type) {
      case 'hybridAppend':
        return this.#append(from, message, out)
      case 'hybridAck':
        return this.#ack(from, message, out)
      case 'hybridVoteRequest':
        return this.#voteRequest(from, message, out)
      case 'hybridGrant':
        return this.#grant(from, message, out)
      case 'hybridTerm':
        return this.#standing.learnTerm(message.termCertificate)
      case 'hybridCommit':
        return this.#commit(from, message, out)
      case 'hybridHeld':
        if (this.#isLeading()) this.#noteHeld(message.held, out)
        return
      case 'heartbeat': {
        if (message.term < term) return this.#pass(from, message, out)
        if (!this.#leads(from, message.term)) return
        return this.#pass(from, this.#heartbeat(message.term, message.readPosition), out)
      }
      case 'preVote': {
        const claimed = { term: message.lastTerm, index: message.lastIndex, hash: new Uint8Array(0) }
        const isEnough = comparePlaces(claimed, this.#standing.position) >= 0
        return this.#pass(from, { ...message, ...this.#claim(isEnough) }, out)
      }
      case 'preVoteReply':
        if (message.granted || message.term <= term || role === 'preCandidate') this.#pass(from, message, out)
        return
      case 'heartbeatReply':
        return this.#reply(from, message, out)
      case 'readIndexRequest':
      case 'readIndexReply':
      case 'timeoutNow':
        if (message.term <= term) this.#pass(from, message, out)
        return
      default:
    }
  }

  #pass(from: NodeId, message: RaftMessage, out: Out): void {
    this.#step({ type: 'message', from, configHash: this.#options.epoch.sign.configHash, message }, out)
  }

  /** This member leads this term, by the certificate that is known. */
  #leads(from: NodeId, term: number): boolean {
    const { current } = this.#standing
    return current !== null && termOf(current) === term && current.candidate === from && from !== this.#options.self
  }

  /** A heartbeat that says no more than what is certified, and what this node holds. */
  #heartbeat(term: Term, readPosition: number): RaftMessage {
    const { epoch } = this.#options
    const { certified } = this.#standing
    const isHeld = this.#standing.holds(certified)
    const { commitIndex } = this.#core.status()
    if (isHeld && certified.index > this.#covered) this.#covered = certified.index
    return {
      type: 'heartbeat',
      epoch: epoch.epoch,
      term,
      commitIndex: isHeld ? (Math.max(certified.index, commitIndex) as LogIndex) : commitIndex,
      acknowledgedIndex: 0 as LogIndex,
      lastIndex: this.#modules.shadow.lastIndex,
      readPosition,
      commitChain: null,
    }
  }

  /** The end of the log as Raft is to see it in a request that these rules have judged already. */
  #claim(isEnough: boolean): Pick<RequestVote, 'lastIndex' | 'lastEpoch' | 'lastTerm'> {
    const { epoch } = this.#options.epoch
    const { shadow } = this.#modules
    if (!isEnough) return { lastIndex: 0 as LogIndex, lastEpoch: 0 as typeof epoch, lastTerm: 0 as Term }
    const end = shadow.termAt(shadow.lastIndex)
    assert(end !== undefined, 'the end of the log has a term')
    return { lastIndex: shadow.lastIndex, lastEpoch: end.epoch, lastTerm: end.term }
  }

  #append(from: NodeId, message: HybridAppend, out: Out): void {
    const { standing, modules, options } = this.#view()
    const { append } = message
    this.#modules.onStatement(message.header)
    if (message.termCertificate !== null) standing.learnTerm(message.termCertificate)
    if (message.commit !== null) standing.learnCommit(message.commit)
    if (message.proof !== null) standing.learnProof(message.proof)
    const { term, commitIndex } = this.#core.status()
    if (append.term < term) return this.#pass(from, { ...append, commitIndex: 0 as LogIndex }, out)
    const current = standing.current
    if (current === null || !this.#leads(from, append.term)) return
    const clusterId = options.epoch.sign.clusterId
    const view = {
      epoch: options.epoch,
      shadow: modules.shadow,
      standing,
      commitIndex,
      clusterId,
      wallMs: this.#now.wallMs,
    }
    const verdict = judgeAppend(view, message, current)
    switch (verdict.kind) {
      case 'drop':
        return
      case 'unsound':
        return this.#modules.onUnsound(from)
      case 'refuse':
        // A sign of life all the same.
        this.#pass(from, this.#heartbeat(append.term, append.readPosition), out)
        return this.#refuse(from, append, verdict.hintIndex, out)
      case 'take':
        this.#taken = { ...verdict, message, term: current }
        this.#pass(from, verdict.append, out)
        this.#taken = null
        if (standing.holds(verdict.end) && verdict.covered > this.#covered) this.#covered = verdict.covered
    }
  }

  #view(): { standing: Standing; modules: HardenedModules; options: HardenedOptions } {
    return { standing: this.#standing, modules: this.#modules, options: this.#options }
  }

  #refuse(to: NodeId, append: AppendEntries, hintIndex: LogIndex, out: Out): void {
    const hint = this.#modules.shadow.termAt(hintIndex)
    const { epoch, term } = this.#core.status()
    const reply: AppendEntriesReply = {
      type: 'appendEntriesReply',
      epoch,
      term,
      success: false,
      prevIndex: append.prevIndex,
      matchIndex: 0 as LogIndex,
      hintIndex,
      hintEpoch: hint?.epoch ?? epoch,
      hintTerm: hint?.term ?? (0 as Term),
      readPosition: append.readPosition,
      wallMs: Math.floor(this.#now.wallMs),
    }
    out.push({ type: 'send', to, message: { type: 'hybridAck', reply, ack: null, held: null } })
  }

  #ack(from: NodeId, message: HybridAck, out: Out): void {
    const { reply, ack, held } = message
    const { term, role } = this.#core.status()
    if (ack !== null) this.#modules.onStatement(ack)
    if (role !== 'leader' || reply.term !== term) return this.#reply(from, reply, out)
    if (reply.success && !this.#isOwn(reply, ack)) return
    this.#tallies(term)
    if (reply.success && ack !== null) {
      this.#informed.add(from)
      this.#acks.note({ term, index: reply.matchIndex, hash: ack.digest }, ack)
    }
    if (held !== null) this.#noteHeld(held, out)
    this.#pass(from, reply, out)
  }

  /** A success is of what this leader holds, and signed where its own entries are acknowledged. */
  #isOwn({ matchIndex, term }: AppendEntriesReply, ack: SignedStatement | null): boolean {
    const { current } = this.#standing
    const { shadow } = this.#modules
    if (matchIndex > shadow.lastIndex || current === null) return false
    if (ack === null) return matchIndex <= current.tip.index
    const own = shadow.chainAt(matchIndex)
    return ack.view === term && ack.sequence === matchIndex && own !== undefined && bytesEqual(own, ack.digest)
  }

  /** Answers of later terms move nobody by themselves: f + 1 say so, or a certificate does. */
  #reply(from: NodeId, message: RaftMessage, out: Out): void {
    const { term, role } = this.#core.status()
    if (message.term <= term) return this.#pass(from, message, out)
    if (message.term > term + TERM_LEAP_MAX) return
    this.#claims.set(from, message.term)
    const above = [...this.#claims.values()].filter((claimed) => claimed > term).length
    if (role === 'candidate' || above > this.#options.epoch.replicas.f) this.#pass(from, message, out)
  }

  #voteRequest(from: NodeId, message: HybridVoteRequest, out: Out): void {
    const { request } = message
    const { term } = this.#core.status()
    if (request.term > term + TERM_LEAP_MAX) return
    if (message.header !== null) this.#modules.onStatement(message.header)
    if (message.commit !== null) this.#standing.learnCommit(message.commit)
    const isEnough = deservesVote(this.#options.epoch, message, this.#standing)
    this.#asked = isEnough ? message : null
    this.#pass(from, { ...request, transfer: false, ...this.#claim(isEnough) }, out)
    this.#asked = null
  }

  #grant(from: NodeId, { reply, grant }: HybridGrant, out: Out): void {
    const campaign = this.#campaign
    const { epoch } = this.#options
    if (grant !== null) this.#modules.onStatement(grant)
    if (!reply.granted) return this.#reply(from, reply, out)
    if (campaign === null || grant === null || reply.term !== campaign.term) return
    const expected = grantStatement(epoch.sha256, epoch.epoch, campaign.term, this.#options.self, campaign.tip)
    if (!bytesEqual(grant.digest, expected.digest)) return
    campaign.votes.set(from, grant)
    this.#pass(from, reply, out)
  }

  #commit(from: NodeId, { commit, proof }: HybridCommit, out: Out): void {
    const { standing } = this.#view()
    standing.learnCommit(commit)
    if (proof !== null) standing.learnProof(proof)
    const { term, role } = this.#core.status()
    if (role === 'leader' || !this.#leads(from, term)) return
    if (standing.holds(standing.certified)) this.#pass(from, this.#heartbeat(term, 0), out)
    out.push({ type: 'send', to: from, message: { type: 'hybridHeld', held: this.#rules.held(standing.certified) } })
  }

  // What the leader counts.

  #tallies(term: number): void {
    if (term === this.#tallyTerm) return
    const { epoch } = this.#options
    this.#tallyTerm = term
    this.#acks = new Tally(epoch, 'ack')
    this.#held = new Tally(epoch, 'held')
    this.#informed.clear()
    this.#claims.clear()
  }

  #noteHeld(held: SignedStatement, out: Out): void {
    const { term } = this.#core.status()
    this.#tallies(term)
    const position = { term: held.view as Term, index: held.sequence as LogIndex, hash: held.digest }
    if (position.term !== term || !this.#standing.holds(position)) return
    this.#held.note(position, held)
    const proof = this.#held.certify(position)
    if (proof === null) return
    this.#standing.learnProof(proof)
    this.#held.forget(position.index)
    this.#announce(out)
  }

  /** A leader makes the highest commit certificate that the acknowledgements give, its own included. */
  #certify(out: Out): void {
    const { term, role } = this.#core.status()
    if (role !== 'leader') return
    this.#tallies(term)
    const { quorum } = this.#options.epoch.replicas
    for (const index of this.#acks.indexes()) {
      if (index <= this.#standing.certified.index) break
      const hash = this.#modules.shadow.chainAt(index)
      if (hash === undefined || index > this.#durable || this.#acks.count(index) < quorum - 1) continue
      const position = { term, index: index as LogIndex, hash }
      const own = this.#rules.ack(position)
      if (own !== null) this.#acks.note(position, own)
      const commit = this.#acks.certify(position)
      if (commit === null) continue
      this.#standing.learnCommit(commit)
      this.#covered = Math.max(this.#covered, index) as LogIndex
      this.#acks.forget(index)
      this.#announce(out)
      return
    }
  }

  /** Followers learn certificates with the next append; where none is to come, at once. */
  #announce(out: Out): void {
    const { standing, modules } = this.#view()
    if (standing.certified.index < modules.shadow.lastIndex) return
    for (const to of this.#others()) this.#sendCommit(to, out)
  }

  #sendCommit(to: NodeId, out: Out): void {
    const { commit, proof } = this.#standing
    if (commit === null) return
    out.push({ type: 'send', to, message: { type: 'hybridCommit', epoch: this.#options.epoch.epoch, commit, proof } })
  }

  #others(): NodeId[] {
    return this.#options.epoch.replicas.ids.filter((id) => id !== this.#options.self)
  }

  /** The first entry of a term names its certificate, so that terms follow from what the log holds. */
  #firstEntry(): { readonly kind: EntryKind; readonly body: Uint8Array } {
    const campaign = this.#campaign
    const { epoch, self } = this.#options
    assert(campaign !== null, 'a leader was a candidate')
    const { term, tip, votes } = campaign
    const certificate = makeCertificate(
      epoch.replicas,
      grantStatement(epoch.sha256, epoch.epoch, term, self, tip),
      votes.values(),
    )
    const record = { candidate: self, tip, certificate }
    this.#standing.learnTerm(record)
    this.#campaign = null
    return { kind: 'mode', body: encodeBody([encodeTerm(record)]) }
  }

  // What goes out.

  #step(input: Input, out: Out): void {
    const effects = this.#core.step(input, this.#now)
    for (const effect of effects) {
      if (effect.type !== 'store') continue
      this.#modules.shadow.apply(effect.records)
      this.#track(effect)
    }
    this.#lead()
    for (const effect of effects) this.#emit(effect, out)
  }

  #track({ writeId, records }: Extract<Effect, { type: 'store' }>): void {
    for (const record of records) {
      if (record.kind !== 'truncate') continue
      this.#durable = Math.min(this.#durable, record.from - 1) as LogIndex
      for (const write of this.#open) write.end = Math.min(write.end, record.from - 1)
    }
    this.#open.push({ writeId, end: this.#modules.shadow.lastIndex })
  }

  #stored({ writeId }: Extract<Input, { type: 'stored' }>): void {
    while (this.#open[0] !== undefined && this.#open[0].writeId <= writeId) {
      const { end } = this.#open.shift() as { end: number }
      this.#durable = Math.max(this.#durable, end) as LogIndex
    }
  }

  /** A leader stands where its log ends. */
  #lead(): void {
    const { role, term } = this.#core.status()
    const standing = this.#standing
    if (role !== 'leader') return
    this.#tallies(term)
    const { shadow } = this.#modules
    const hash = shadow.chainAt(shadow.lastIndex)
    const { current } = standing
    assert(
      hash !== undefined && current !== null && termOf(current) === term,
      'a leader has its certificate and its log',
    )
    const position = { term, index: shadow.lastIndex, hash }
    if (comparePlaces(position, standing.position) > 0)
      standing.advance(position, current, this.#rules.header(position))
  }

  #emit(effect: Effect, out: Out): void {
    switch (effect.type) {
      case 'commit':
        this.#committed = effect.upTo
        return
      case 'fetchSnapshot':
      case 'diverged':
      case 'membershipHinted':
        return
      case 'send':
        return this.#send(effect, out)
      default:
        out.push(effect)
    }
  }

  #send(effect: Extract<Effect, { type: 'send' }>, out: Out): void {
    const { to, message } = effect
    const wrap = (wrapped: HybridMessage | RaftMessage | null): void => {
      if (wrapped !== null) out.push({ ...effect, message: wrapped })
    }
    switch (message.type) {
      case 'appendEntries':
        return wrap(this.#appendFor(to, message))
      case 'appendEntriesReply':
        return wrap(this.#ackFor(message))
      case 'requestVote':
        return wrap(this.#requestFor(message))
      case 'requestVoteReply':
        return wrap(this.#grantFor(to, message))
      case 'preVote': {
        const { position } = this.#standing
        if (!this.#standing.isWhole) return
        return wrap({ ...message, lastIndex: position.index, lastTerm: position.term })
      }
      case 'heartbeat': {
        const { current } = this.#standing
        if (current !== null && !this.#informed.has(to))
          out.push({
            type: 'send',
            to,
            message: { type: 'hybridTerm', epoch: message.epoch, termCertificate: current },
          })
        else this.#sendCommit(to, out)
        return wrap(message)
      }
      case 'installSnapshot':
      case 'membershipHint':
      case 'diverged':
        return
      default:
        out.push(effect)
    }
  }

  #appendFor(to: NodeId, append: AppendEntries): HybridAppend | null {
    const { standing, modules, options } = this.#view()
    const { current, commit, proof } = standing
    const index = (append.prevIndex + append.entries.length) as LogIndex
    const hash = append.entries.at(-1)?.chain ?? modules.shadow.chainAt(index)
    if (hash === undefined || current === null) return null
    const { tip } = current
    const missing = tip.index - index
    const between = missing > 0 ? modules.shadow.slice(index + 1, tip.index, HEADERS_MAX) : []
    const bridge = between.length === missing ? between.map(bareHeader) : []
    const header = this.#rules.header({ term: append.term, index, hash })
    const isInformed = this.#informed.has(to) && options.self !== to
    const termCertificate = isInformed ? null : current
    return { type: 'hybridAppend', append, header, termCertificate, commit, proof, bridge }
  }

  #ackFor(reply: AppendEntriesReply): HybridAck {
    const taken = this.#taken
    const { standing } = this.#view()
    if (!reply.success || taken === null || !taken.isSigned || !standing.holds(taken.end))
      return { type: 'hybridAck', reply, ack: null, held: null }
    assert(reply.matchIndex === taken.end.index, 'an acknowledgement is of what was sent')
    standing.advance(taken.end, taken.term, taken.message.header)
    const before = this.#rules.lastAck
    const ack = this.#rules.ack(taken.end)
    if (ack !== before) standing.hasChanged = true
    const { commit } = standing
    return { type: 'hybridAck', reply, ack, held: commit === null ? null : this.#rules.held(positionOf(commit)) }
  }

  #requestFor(request: RequestVote): HybridVoteRequest | null {
    const { standing, options } = this.#view()
    if (!standing.isWhole) return null
    const { tip, term, header, commit, headers } = standing.content(null)
    if (this.#campaign?.term !== request.term) {
      const own = this.#rules.grantFor(request.term, options.self, tip)
      if (own === null) return null
      standing.hasChanged = true
      this.#campaign = { term: request.term, tip, votes: new Map([[options.self, own]]) }
    }
    return { type: 'hybridVoteRequest', request, tip, termCertificate: term, header, commit, headers }
  }

  #grantFor(to: NodeId, reply: RequestVoteReply): HybridGrant {
    const asked = this.#asked
    if (!reply.granted) return { type: 'hybridGrant', reply, grant: null }
    assert(asked !== null, 'a vote is given to a request that deserves it')
    const grant = this.#rules.grantFor(reply.term, to, asked.tip)
    if (grant !== null) this.#standing.hasChanged = true
    return { type: 'hybridGrant', reply: { ...reply, granted: grant !== null }, grant }
  }

  // What is told.

  /** Committed, durable, and as far as the assurance asks: a certificate, or a proof that it is held. */
  #release(out: Out): void {
    const { proof } = this.#standing
    const assurance = this.#modules.assurance()
    const proven = proof === null ? this.#options.epoch.origin.index : positionOf(proof).index
    const reach = assurance === 'fast' ? this.#covered : Math.min(this.#covered, proven)
    const upTo = Math.min(this.#committed, reach) as LogIndex
    if (upTo <= this.#released) return
    this.#released = upTo
    out.push({ type: 'commit', upTo, assurance })
  }
}
