/**
 * Keeps a client up to date about who the members are: asks every node it reaches for the replicated
 * configuration, again from time to time and when a leader is named that it does not know, and goes by
 * the newest answer. A committed configuration counts before one that is
 * not; what a node does not answer, or answers wrongly, changes nothing. Under a Byzantine protocol an
 * answer counts when more members gave it than may lie.
 */
import { isDeepStrictEqual } from 'node:util'
import { fromHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { MemberConfiguration } from '../consensus/configuration.js'
import { MEMBERS_MAX } from '../consensus/membership.js'
import { nodeId } from '../consensus/types.js'
import type { RequestChannel } from './request-channel.js'

const ASK_TIMEOUT_MS = 2_000
const REFRESH_MS = 1_000
const KEY_BYTES = 32

interface Known {
  readonly index: number
  readonly committed: boolean
  readonly members: readonly MemberConfiguration[]
}

export class MemberFollower {
  readonly #channel: RequestChannel
  readonly #refresh: NodeJS.Timeout
  readonly #asking = new Map<string, Promise<void>>()
  /** What each member told last. */
  readonly #newest = new Map<string, Known>()
  #known: Known | null = null

  constructor(channel: RequestChannel) {
    this.#channel = channel
    channel.listen({ up: (member) => void this.ask(member), stranger: (member) => void this.ask(member) })
    // Who only waits hears of no leader: in time its members could all be others.
    this.#refresh = setInterval(() => this.#askAgain(), REFRESH_MS)
    this.#refresh.unref()
  }

  close(): void {
    clearInterval(this.#refresh)
  }

  /** Asks a member to which there is a link. Resolves when it has answered, or will not; never rejects. */
  ask(member: string): Promise<void> {
    const asking = this.#asking.get(member)
    if (asking !== undefined) return asking
    if (this.#channel.links.link(member) === undefined) return Promise.resolve()
    const query = { name: 'cluster.members', args: {}, read: 'local', member, once: true } as const
    const answered = new Promise<void>((resolve) => {
      this.#channel.query(query, ASK_TIMEOUT_MS, (answer) => {
        this.#asking.delete(member)
        if (answer !== null) this.#told(member, parseMembers(answer.value))
        resolve()
      })
    })
    this.#asking.set(member, answered)
    return answered
  }

  /** One member, or as many as have to agree where one may lie. */
  #askAgain(): void {
    const { links } = this.#channel
    const linked = links.any()
    if (links.needed === 1 && linked !== undefined) void this.ask(linked.member)
    if (links.needed > 1) for (const { id } of links.members) void this.ask(id)
  }

  #told(member: string, told: Known | null): void {
    if (told === null) return
    const { links } = this.#channel
    this.#newest.set(member, told)
    for (const id of [...this.#newest.keys()]) if (!links.isMember(id)) this.#newest.delete(id)
    const equal = [...this.#newest.values()].filter((other) => isDeepStrictEqual(other, told))
    if (links.needed === 1 || equal.length >= links.needed) this.#learn(told)
  }

  #learn(told: Known): void {
    if (this.#known !== null && !isNewer(told, this.#known)) return
    this.#known = told
    this.#channel.links.setMembers(told.members, told.index > 0)
  }
}

function isNewer(a: Known, b: Known): boolean {
  return a.committed === b.committed ? a.index > b.index : a.committed
}

/** Null for anything but a configuration. */
function parseMembers(value: unknown): Known | null {
  const fields = asRecord(value)
  if (fields === null || !Number.isSafeInteger(fields.index) || typeof fields.committed !== 'boolean') return null
  if (!Array.isArray(fields.members) || fields.members.length > MEMBERS_MAX) return null
  const members = fields.members.map(parseMember)
  if (members.length === 0 || members.some((member) => member === null)) return null
  return {
    index: fields.index as number,
    committed: fields.committed,
    members: members.filter((member) => member !== null),
  }
}

function parseMember(value: unknown): MemberConfiguration | null {
  const fields = asRecord(value)
  if (fields === null) return null
  const { id, publicKey, address, zone } = fields
  if (typeof id !== 'string' || typeof publicKey !== 'string') return null
  if (typeof address !== 'string' || typeof zone !== 'string') return null
  const key = keyOf(publicKey)
  return key === null ? null : { id: nodeId(id), publicKey: key, address, zone }
}

function keyOf(hex: string): Uint8Array | null {
  try {
    const key = fromHex(hex)
    return key.length === KEY_BYTES ? key : null
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'InvalidArgument') return null
    throw error
  }
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null
}
