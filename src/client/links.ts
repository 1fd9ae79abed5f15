/**
 * One link per member, opened when it is needed, and the best knowledge of who leads: every node
 * pushes a notice when its leader changes, and the notice of the highest term wins.
 */
import { KnhkError } from '../base/error.js'
import type { ClusterConfiguration, MemberConfiguration } from '../consensus/configuration.js'
import { CLIENT_FRAME, decodeLeaderNotice } from '../transport/client-protocol.js'
import type { FrameLink } from '../transport/dial.js'

export type DialMember = (member: MemberConfiguration, timeoutMs: number) => Promise<FrameLink>

export interface LinksOptions {
  readonly configuration: ClusterConfiguration
  /** Restricts which members are used; all when absent. */
  readonly endpoints?: readonly string[]
  readonly dial: DialMember
  /** A frame other than a leader notice. */
  readonly onFrame: (member: string, type: number, payload: Uint8Array) => void
  /** No member admits this client: those that answer do not know its key. */
  readonly onShutOut: (error: KnhkError) => void
  /** A link is open now. */
  readonly onUp: (member: string) => void
  readonly onDown: (member: string) => void
  readonly onLeader: (leader: string | null) => void
}

const DIAL_TIMEOUT_MS = 3000

export class Links {
  readonly members: readonly MemberConfiguration[]
  readonly #options: LinksOptions
  readonly #up = new Map<string, FrameLink>()
  readonly #dialing = new Map<string, Promise<FrameLink>>()
  #leader: string | null = null
  #leaderTerm = -1
  #closed = false
  /** Why the last dial of each member failed. */
  readonly failures = new Map<string, KnhkError>()

  constructor(options: LinksOptions) {
    this.#options = options
    const { members } = options.configuration
    const { endpoints } = options
    this.members =
      endpoints === undefined
        ? members
        : members.filter((m) => endpoints.includes(m.id) || endpoints.includes(m.address))
    if (this.members.length === 0)
      throw new KnhkError('InvalidArgument', 'no member of the cluster file matches the endpoints')
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
    for (const [member, link] of this.#up) return { member, link }
    return undefined
  }

  /** Opens the link to a member, or returns the open one. Throws a typed error. */
  open(id: string): Promise<FrameLink> {
    const link = this.#up.get(id)
    if (link !== undefined) return Promise.resolve(link)
    const dialing = this.#dialing.get(id)
    if (dialing !== undefined) return dialing
    const member = this.members.find((candidate) => candidate.id === id)
    if (member === undefined)
      return Promise.reject(new KnhkError('NotFound', `there is no member ${id} among the endpoints`))
    const opening = this.#open(member).finally(() => this.#dialing.delete(id))
    this.#dialing.set(id, opening)
    return opening
  }

  /** A refusal named the leader; used when nothing newer is known. */
  hint(leader: string): void {
    if (this.#leader === null && this.members.some((member) => member.id === leader)) this.#setLeader(leader)
  }

  /** The member that was thought to lead says that it does not. */
  doubt(member: string): void {
    if (this.#leader === member) this.#setLeader(null)
  }

  close(): void {
    this.#closed = true
    for (const link of this.#up.values()) link.close()
    this.#up.clear()
  }

  async #open(member: MemberConfiguration): Promise<FrameLink> {
    let link: FrameLink
    try {
      link = await this.#options.dial(member, DIAL_TIMEOUT_MS)
    } catch (error) {
      const failure =
        error instanceof KnhkError
          ? error
          : new KnhkError('Unreachable', `${member.id} at ${member.address} cannot be reached`, { cause: error })
      this.failures.set(member.id, failure)
      this.#noteShutOut()
      throw failure
    }
    this.failures.delete(member.id)
    if (this.#closed) {
      link.close()
      throw new KnhkError('Aborted', 'the client is closed')
    }
    this.#up.set(member.id, link)
    link.onFrame = (type, payload) => {
      if (type === CLIENT_FRAME.leader) this.#noticed(decodeLeaderNotice(payload))
      else this.#options.onFrame(member.id, type, payload)
    }
    link.onClose = () => {
      this.#up.delete(member.id)
      if (this.#closed) return
      this.doubt(member.id)
      this.#options.onDown(member.id)
    }
    this.#options.onUp(member.id)
    return link
  }

  /** Told once every member has been asked; trying them again would only repeat the refusal. */
  #noteShutOut(): void {
    if (this.anyUp || this.failures.size < this.members.length) return
    const refusal = [...this.failures.values()].find((failure) => failure.code === 'UnknownKey')
    if (refusal !== undefined) this.#options.onShutOut(refusal)
  }

  #noticed(notice: { readonly term: number; readonly leader: string | null }): void {
    if (notice.term < this.#leaderTerm || (notice.term === this.#leaderTerm && notice.leader === null)) return
    this.#leaderTerm = notice.term
    if (notice.leader !== this.#leader) this.#setLeader(notice.leader)
  }

  #setLeader(leader: string | null): void {
    this.#leader = leader
    this.#options.onLeader(leader)
  }
}
