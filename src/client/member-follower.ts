/**
 * Keeps a client up to date about who the members are: asks every node it reaches for the replicated
 * configuration, again from time to time and when a leader is named that it does not know, and goes by
 * the newest answer. A committed configuration counts before one that is
 * not; what a node does not answer, or answers wrongly, changes nothing.
 */
import { fromHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import type { MemberConfiguration } from '../consensus/configuration.js'
import { MEMBERS_MAX } from '../consensus/membership.js'
import { nodeId } from '../consensus/types.js'
import type { Channel } from './channel.js'

const ASK_TIMEOUT_MS = 2_000
const REFRESH_MS = 1_000
const KEY_BYTES = 32

interface Known {
  readonly index: number
  readonly committed: boolean
  readonly members: readonly MemberConfiguration[]
}

export class MemberFollower {
  readonly #channel: Channel
  readonly #refresh: NodeJS.Timeout
  readonly #asking = new Map<string, Promise<void>>()
  #known: Known | null = null

  constructor(channel: Channel) {
    this.#channel = channel
    channel.onUp = (member) => void this.ask(member)
    channel.onStranger = (member) => void this.ask(member)
    // Who only waits hears of no leader: in time its members could all be others.
    this.#refresh = setInterval(() => {
      const linked = channel.links.any()
      if (linked !== undefined) void this.ask(linked.member)
    }, REFRESH_MS)
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
        if (answer !== null) this.#learn(parseMembers(answer.value))
        resolve()
      })
    })
    this.#asking.set(member, answered)
    return answered
  }

  #learn(told: Known | null): void {
    if (told === null || (this.#known !== null && !isNewer(told, this.#known))) return
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
