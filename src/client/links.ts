/**
 * One link per member, opened when it is needed, and the best knowledge of who leads: every node
 * pushes a notice when its leader changes, and the notice of the highest term wins. Who the members
 * are is what the cluster file says until a node tells what was replicated; those of the file are
 * tried for a leader all the same, so that no stale node can lead a client astray.
 */
import { bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { ClusterConfiguration, MemberConfiguration } from '../consensus/configuration.js'
import { byzantineFaults } from '../consensus/quorum.js'
import { CLIENT_FRAME, decodeLeaderNotice } from '../transport/client-protocol.js'
import type { FrameLink } from '../transport/dial.js'
import { type LeaderNotice, LeaderNotices } from './leader-notices.js'

/** The signal ends the attempt. */
export type DialMember = (member: MemberConfiguration, timeoutMs: number, signal: AbortSignal) => Promise<FrameLink>

export interface LinksOptions {
  readonly configuration: ClusterConfiguration
  /** Restricts which members are used; all when absent. */
  readonly endpoints?: readonly string[]
  readonly dial: DialMember
  /** A member may lie: what f of them say counts for nothing. */
  readonly byzantine?: boolean
  /** A frame other than a leader notice. */
  readonly onFrame: (member: string, type: number, payload: Uint8Array) => void
  /** No member admits this client: those that answer do not know its key. */
  readonly onShutOut: (error: KnhkError) => void
  /** A link is open now. */
  readonly onUp: (member: string) => void
  readonly onDown: (member: string) => void
  readonly onLeader: (leader: string | null) => void
  /** `member` named a leader that is no member as far as this client knows: the members have changed. */
  readonly onStranger: (member: string) => void
}

const DIAL_TIMEOUT_MS = 3000
const REDIAL_MIN_MS = 20
const REDIAL_MAX_MS = 500

/** A member and where it may be found, the likelier place first. */
interface Candidate {
  readonly member: MemberConfiguration
  readonly addresses: readonly string[]
}

export class Links {
  readonly #options: LinksOptions
  /** Those of the cluster file that may be used. */
  readonly #listed: readonly MemberConfiguration[]
  #members: readonly MemberConfiguration[]
  #candidates: readonly Candidate[]
  /** Members of the cluster, those that may not be used included. */
  #size: number
  readonly #notices: LeaderNotices
  readonly #stop = new AbortController()
  readonly #up = new Map<string, FrameLink>()
  readonly #dialing = new Map<string, Promise<FrameLink>>()
  /** Members that let us in and closed without an answer, how often in a row, and until when they are left alone. */
  readonly #fruitless = new Map<string, { readonly times: number; readonly untilMs: number }>()
  #leader: string | null = null
  /** Whom the newest notice named; may be a member that is not known here yet. */
  #named: string | null = null
  #leaderTerm = -1
  #closed = false
  /** Why the last dial of each member failed. */
  readonly failures = new Map<string, KnhkError>()

  constructor(options: LinksOptions) {
    this.#options = options
    const { members } = options.configuration
    const { endpoints } = options
    this.#listed =
      endpoints === undefined
        ? members
        : members.filter((m) => endpoints.includes(m.id) || endpoints.includes(m.address))
    if (this.#listed.length === 0)
      throw new KnhkError('InvalidArgument', 'no member of the cluster file matches the endpoints')
    this.#members = this.#listed
    this.#size = members.length
    this.#notices = new LeaderNotices(
      () => this.needed,
      (id) => this.isMember(id),
    )
    this.#candidates = this.#listed.map((member) => ({ member, addresses: [member.address] }))
  }

  /** The members as far as this client knows. */
  get members(): readonly MemberConfiguration[] {
    return this.#members
  }

  /** Members of the cluster, whether this client may use them or not. */
  get size(): number {
    return this.#size
  }

  /** How many members have to say the same before it is believed: f + 1 where f may lie, else one. */
  get needed(): number {
    return this.#options.byzantine === true ? byzantineFaults(this.#size) + 1 : 1
  }

  isMember(id: string): boolean {
    return this.#members.some((member) => member.id === id)
  }

  /** Whoever may know a leader: the members, then others that the cluster file lists. */
  get candidates(): readonly string[] {
    return this.#candidates.map(({ member }) => member.id)
  }

  /**
   * Takes the replicated members for the true ones; with endpoints, those of them that were named.
   * `moved` says that their addresses are newer than those of the file.
   */
  setMembers(replicated: readonly MemberConfiguration[], moved: boolean): void {
    const listed = new Map(this.#listed.map((member) => [member.id as string, member]))
    const isChosen = this.#options.endpoints !== undefined
    const members = isChosen ? replicated.filter((member) => listed.has(member.id)) : replicated
    if (members.length === 0) return
    const before = this.#candidates
    const known = members.map((member): Candidate => {
      const line = listed.get(member.id)
      const other = line !== undefined && bytesEqual(line.publicKey, member.publicKey) ? [line.address] : []
      // Whoever names an endpoint may know a way to it, such as a tunnel, that the cluster does not.
      const addresses = moved && !isChosen ? [member.address, ...other] : [...other, member.address]
      return { member, addresses: [...new Set(addresses)] }
    })
    const others = this.#listed.filter(({ id }) => !members.some((member) => member.id === id))
    this.#candidates = [...known, ...others.map((member) => ({ member, addresses: [member.address] }))]
    this.#members = members
    this.#size = replicated.length
    for (const { member } of before) this.#forgetUnless(member)
    const named = this.#named
    if (this.#leader === null && named !== null && members.some(({ id }) => id === named)) this.#setLeader(named)
  }

  /** The member that leads as far as this client knows. */
  get leader(): string | null {
    return this.#leader
  }

  get anyUp(): boolean {
    return this.#up.size > 0
  }

  link(member: string): FrameLink | undefined {
    return this.#up.get(member)
  }

  /** Any open link, the leader's if there is one. */
  any(): { readonly member: string; readonly link: FrameLink } | undefined {
    const leading = this.#leader === null ? undefined : this.#up.get(this.#leader)
    if (this.#leader !== null && leading !== undefined) return { member: this.#leader, link: leading }
    const up = [...this.#up].map(([member, link]) => ({ member, link }))
    return up.find(({ member }) => this.isMember(member)) ?? up[0]
  }

  /** False while a member that closed without an answer is left alone. */
  mayDial(id: string): boolean {
    return (this.#fruitless.get(id)?.untilMs ?? 0) <= performance.now()
  }

  /** Opens the link to a member, or returns the open one. Throws a typed error. */
  open(id: string): Promise<FrameLink> {
    const link = this.#up.get(id)
    if (link !== undefined) return Promise.resolve(link)
    const dialing = this.#dialing.get(id)
    if (dialing !== undefined) return dialing
    const candidate = this.#candidates.find(({ member }) => member.id === id)
    if (candidate === undefined)
      return Promise.reject(new KnhkError('NotFound', `there is no member ${id} among the endpoints`))
    const opening = this.#open(candidate).finally(() => this.#dialing.delete(id))
    this.#dialing.set(id, opening)
    return opening
  }

  /** A refusal named the leader; used when nothing newer is known. */
  hint(leader: string): void {
    if (this.#leader === null && this.candidates.includes(leader)) this.#setLeader(leader)
  }

  /** The member that was thought to lead says that it does not. */
  doubt(member: string): void {
    if (this.#leader === member) this.#setLeader(null)
  }

  /** Nobody is thought to lead any more: enough members may still say who does. */
  reconsider(): void {
    const leader = this.#leader ?? this.#notices.agreed()?.leader ?? null
    if (leader !== this.#leader) this.#setLeader(leader)
  }

  close(): void {
    this.#closed = true
    this.#stop.abort()
    for (const link of this.#up.values()) link.close()
    this.#up.clear()
  }

  async #open(candidate: Candidate): Promise<FrameLink> {
    const { member } = candidate
    const link = await this.#dial(candidate)
    this.failures.delete(member.id)
    if (this.#closed || !this.#isCurrent(member)) {
      link.close()
      throw new KnhkError('Aborted', this.#closed ? 'the client is closed' : `${member.id} is another node now`)
    }
    this.#up.set(member.id, link)
    link.onFrame = (type, payload) => {
      if (type === CLIENT_FRAME.leader) this.#noticed(member.id, decodeLeaderNotice(payload))
      else {
        this.#fruitless.delete(member.id)
        this.#options.onFrame(member.id, type, payload)
      }
    }
    link.onClose = () => {
      if (this.#up.get(member.id) !== link) return
      this.#up.delete(member.id)
      if (this.#closed) return
      this.#noteFruitless(member.id)
      this.doubt(member.id)
      this.#options.onDown(member.id)
    }
    this.#options.onUp(member.id)
    return link
  }

  /** Tries one address after the other; the failure at the first one is what is told. */
  async #dial({ member, addresses }: Candidate): Promise<FrameLink> {
    let failure: KnhkError | null = null
    for (const address of addresses) {
      try {
        return await this.#options.dial({ ...member, address }, DIAL_TIMEOUT_MS, this.#stop.signal)
      } catch (error) {
        failure ??=
          error instanceof KnhkError
            ? error
            : new KnhkError('Unreachable', `${member.id} at ${address} cannot be reached`, { cause: error })
      }
      if (this.#closed) break
    }
    const told = failure ?? new KnhkError('Unreachable', `${member.id} has no address`)
    this.failures.set(member.id, told)
    this.#noteShutOut()
    throw told
  }

  #isCurrent(member: MemberConfiguration): boolean {
    return this.#candidates.some(
      (candidate) => candidate.member.id === member.id && bytesEqual(candidate.member.publicKey, member.publicKey),
    )
  }

  /** Ends what belongs to a member that left, or that has another key now. */
  #forgetUnless(member: MemberConfiguration): void {
    if (this.#isCurrent(member) && this.#members.some(({ id }) => id === member.id)) return
    this.failures.delete(member.id)
    this.#fruitless.delete(member.id)
    this.doubt(member.id)
    this.#up.get(member.id)?.close()
  }

  #noteFruitless(id: string): void {
    const times = (this.#fruitless.get(id)?.times ?? 0) + 1
    const pauseMs = Math.min(REDIAL_MIN_MS * 2 ** Math.min(times - 1, 10), REDIAL_MAX_MS)
    this.#fruitless.set(id, { times, untilMs: performance.now() + pauseMs })
  }

  /** Why nobody is linked, as far as dialling told: what says most. */
  failure(): KnhkError {
    const all = [...this.failures.values()]
    const unknown = new KnhkError('Unreachable', 'no member answered before the deadline')
    return all.find((error) => error.code !== 'Unreachable') ?? all[0] ?? unknown
  }

  /** Told once every member has been asked; trying them again would only repeat the refusal. */
  #noteShutOut(): void {
    if (this.anyUp || this.failures.size < this.#candidates.length) return
    const refusals = [...this.failures.values()].filter((failure) => failure.code === 'UnknownKey')
    const refusal = refusals[this.needed - 1]
    if (refusal !== undefined) this.#options.onShutOut(refusal)
  }

  #noticed(member: string, told: LeaderNotice): void {
    const notice = this.#options.byzantine === true ? this.#notices.note(member, told) : told
    if (notice === null) return
    if (notice.term < this.#leaderTerm || (notice.term === this.#leaderTerm && notice.leader === null)) return
    this.#leaderTerm = notice.term
    this.#named = notice.leader
    if (notice.leader !== this.#leader) this.#setLeader(notice.leader)
    if (notice.leader !== null && !this.candidates.includes(notice.leader)) this.#options.onStranger(member)
  }

  #setLeader(leader: string | null): void {
    this.#leader = leader
    this.#options.onLeader(leader)
  }
}
