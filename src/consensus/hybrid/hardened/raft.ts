/**
 * Raft in an epoch of the hybrid: `RaftCore` inside, and around it what makes it bear liars (rules R1 to
 * R9; docs/decisions/0013-hybrid.md). What comes in is judged, and set right, before Raft sees it; what goes
 * out is signed; what Raft calls committed is told only as far as certificates of a Byzantine quorum reach.
 */
import type { ByteWriter } from '../../../base/bytes.js'
import type { Certificate } from '../../bft/certificate.js'
import type { SignatureCheck } from '../../bft/checks.js'
import type { IsVerified } from '../../bft/client-request.js'
import type { SignedStatement } from '../../bft/statement.js'
import type { CoreStatus, Effect, Input, Now, ProtocolMessage } from '../../core.js'
import type { MembershipRecord } from '../../membership.js'
import type { RaftCore } from '../../raft/core.js'
import type { LogIndex, Millis, NodeId, Term } from '../../types.js'
import type { AbortHistory } from '../abort-history.js'
import { HEADERS_MAX } from '../headers.js'
import type { HybridMessage } from '../messages.js'
import { type Position, termOf } from '../positions.js'
import { compareWord } from './branches.js'
import { changeIn, isChangeCertified, isChangeOrphaned, orderChange, proposeChange } from './changing.js'
import { checkpointDueMs, noteDigest, noteTaken, repeatCheckpoint } from './checkpoints.js'
import { raftChecks } from './checks.js'
import { certify, firstEntry, holdOwn, tellAnnounced } from './counting.js'
import { receive } from './receive.js'
import { writeStanding } from './standing.js'
import { type HardenedModules, type HardenedOptions, HardenedState, type Out } from './state.js'
import { noteStored, release, stepCore } from './stepping.js'
import { resumeAtOrigin, takeFetched } from './transfer.js'
import { isNews, isNewTerm } from './trust.js'

/** Entries of a leader that no certificate covers yet; beyond, proposals wait. */
const UNCERTIFIED_MAX = HEADERS_MAX / 2
/** So long a certificate that nothing rests on waits for a write that takes it along. */
const NEWS_MS: Millis = 1000

export class HardenedRaft {
  readonly #raft: HardenedState
  #newsSinceMs: Millis | null = null

  constructor(options: HardenedOptions, modules: HardenedModules) {
    this.#raft = new HardenedState(options, modules)
    this.#raft.firstEntry = () => firstEntry(this.#raft)
  }

  get core(): RaftCore {
    return this.#raft.core
  }

  get commitIndex(): LogIndex {
    return this.#raft.released
  }

  /** Who leads by the newest certificate that is known here; null before the first. */
  get certifiedLeader(): { readonly leader: NodeId; readonly term: Term } | null {
    const { current } = this.#raft.standing
    return current === null ? null : { leader: current.candidate, term: termOf(current) }
  }

  get lastCertificate(): Position {
    return this.#raft.standing.certified
  }

  status(): CoreStatus {
    return { ...this.#raft.core.status(), commitIndex: this.#raft.released }
  }

  membershipAt(index: LogIndex): MembershipRecord {
    return this.#raft.core.membershipAt(index)
  }

  deadline(): Millis | undefined {
    const all = [checkpointDueMs(this.#raft), this.#raft.core.deadline(), this.#raft.announceMs]
    const due = all.filter((time) => time !== undefined)
    return due.length === 0 ? undefined : Math.min(...due)
  }

  mayPropose(): boolean {
    return (
      this.#raft.core.mayPropose() &&
      this.#raft.change === null &&
      changeIn(this.#raft) === undefined &&
      this.#raft.modules.shadow.lastIndex - this.#raft.standing.certified.index < UNCERTIFIED_MAX
    )
  }

  /**
   * True once after what must be there after a crash changed; `isWriting`: there is a write that can take along
   * more. What is only good to have is not put off for ever either: a log that nobody writes to shows what is certified.
   */
  takeChange(isWriting: boolean, nowMs: Millis): boolean {
    const { standing } = this.#raft
    if (standing.hasNews) this.#newsSinceMs ??= nowMs
    const isOld = this.#newsSinceMs !== null && nowMs - this.#newsSinceMs >= NEWS_MS
    const isDue = standing.hasChanged || (standing.hasNews && (isWriting || isOld))
    if (!isDue) return false
    standing.hasChanged = false
    standing.hasNews = false
    this.#newsSinceMs = null
    return true
  }

  writeTo(out: ByteWriter): void {
    const { rules, standing, states } = this.#raft
    const { own, book } = states
    writeStanding(out, standing, rules.grant, rules.lastAck, { own, stable: book.stable })
  }

  /** What was written of the standing is durable: this node's own HELD counts. */
  standingDurable(certified: Position | null): Effect[] {
    const out: Out = []
    if (certified !== null) this.#raft.written = certified
    holdOwn(this.#raft)
    release(this.#raft, out)
    return out
  }

  /** The leader's word, as another member was given it. */
  compare(header: SignedStatement): void {
    compareWord(this.#raft, header)
  }

  panic(digest: Uint8Array): SignedStatement {
    return this.#raft.rules.vote('panic', 0, digest)
  }

  /** One suspicion per term. */
  suspect(term: Term, digest: Uint8Array): SignedStatement {
    return this.#raft.rules.vote('suspect', term, digest)
  }

  /** Leaves the epoch: the one history, and nothing signed after it. */
  abort(): AbortHistory {
    return this.#raft.rules.abort(this.#raft.standing.content(this.#raft.rules.lastAck))
  }

  /** A verified certificate that came with something else. */
  learnCommit(commit: Certificate): void {
    this.#raft.standing.learnCommit(commit)
  }

  /** Why the epoch is over; null while it goes on. */
  get overBecause(): string | null {
    return isChangeCertified(this.#raft) ? 'a change of members is decided' : null
  }

  /** A change of members that its leader left behind: it cannot be decided in this epoch any more. */
  get isStuck(): boolean {
    return isChangeOrphaned(this.#raft) || this.#raft.isBehindChange
  }

  interest(message: ProtocolMessage): 'verify' | 'keep' | 'drop' {
    switch (message.type) {
      case 'preVote':
      case 'preVoteReply':
      case 'heartbeat':
      case 'heartbeatReply':
      case 'readIndexRequest':
      case 'readIndexReply':
      case 'installSnapshotReply':
      case 'timeoutNow':
        return message.epoch === this.#raft.options.epoch.epoch ? 'keep' : 'drop'
      case 'hybridAck':
        return message.ack === null && message.held === null ? 'keep' : 'verify'
      case 'hybridTerm':
        return isNewTerm(this.#raft, message.termCertificate) ? 'verify' : 'drop'
      case 'hybridCommit':
        return isNews(this.#raft, message) ? 'verify' : 'drop'
      default:
        return 'verify'
    }
  }

  checks(from: NodeId, message: HybridMessage, isVerified?: IsVerified): readonly SignatureCheck[] | null | undefined {
    return raftChecks(this.#raft, from, message, isVerified)
  }

  step(input: Input, now: Now): Effect[] {
    const raft = this.#raft
    const out: Out = []
    raft.now = now
    switch (input.type) {
      case 'message':
        receive(raft, input.from, input.message, out)
        break
      case 'stored':
        noteStored(raft, input)
        stepCore(raft, input, out)
        break
      case 'propose':
        if (raft.core.mayPropose() && !this.mayPropose())
          out.push({
            type: 'refused',
            proposalId: input.proposalId,
            code: 'ResourceExhausted',
            leader: raft.options.self,
          })
        else stepCore(raft, input, out)
        break
      case 'executed':
        // Digests are compared by their certificates: what a leader says of its own counts for nothing.
        if (input.stateDigest === null) {
          raft.executed = Math.max(raft.executed, input.upTo) as LogIndex
          stepCore(raft, input, out)
          proposeChange(raft, out)
        } else noteDigest(raft, input.upTo, input.stateDigest, out)
        break
      case 'order':
        if (input.order.kind === 'changeMembership') orderChange(raft, { ...input, order: input.order }, out)
        else stepCore(raft, input, out)
        break
      case 'snapshotTaken':
        noteTaken(raft, input, out)
        break
      case 'snapshotFetched':
        takeFetched(raft, input, out)
        break
      case 'tick':
        repeatCheckpoint(raft, out)
        stepCore(raft, input, out)
        tellAnnounced(raft, out)
        break
      case 'snapshotRejected':
      case 'demand':
        break
      default:
        stepCore(raft, input, out)
    }
    resumeAtOrigin(raft, out)
    certify(raft)
    holdOwn(raft)
    release(raft, out)
    return out
  }

  /** Somebody else is to lead: f + 1 suspect `leader` in this term. It is heard no more, and not soon elected again. */
  distrust(leader: NodeId, term: Term): Effect[] {
    const { now, options, distrusted } = this.#raft
    if (distrusted?.leader !== leader || distrusted.term !== term) {
      // Time for everybody else to campaign once.
      const forMs = options.epoch.replicas.count * options.settings.electionTimeoutMaxMs
      this.#raft.distrusted = { leader, term, untilMs: now.monotonicMs + forMs }
    }
    return this.stepDown()
  }

  /** Whether a leader of this node is to be waited for or heard. */
  stepDown(): Effect[] {
    const out: Out = []
    stepCore(this.#raft, { type: 'paused', pausedMs: 0 }, out)
    release(this.#raft, out)
    return out
  }
}
