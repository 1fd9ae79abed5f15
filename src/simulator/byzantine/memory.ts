/** What a liar remembers to lie with: digests, messages and bodies that it has seen, within bounds. */
import type { BftMessage } from '../../consensus/bft/wire.js'
import { proposedBody } from '../../consensus/bft/wire.js'
import type { SeededRandom } from '../random.js'

const MESSAGES_MAX = 200
const DIGESTS_MAX = 32
const BODIES_MAX = 8

export class Memory {
  readonly digests: Uint8Array[] = []
  readonly #messages: BftMessage[] = []
  readonly #bodies: Uint8Array[] = []

  note(message: BftMessage): void {
    keep(this.#messages, message, MESSAGES_MAX)
    if ('vote' in message) keep(this.digests, message.vote.digest, DIGESTS_MAX)
    if (message.type === 'hybridAppend') keep(this.digests, message.header.digest, DIGESTS_MAX)
    const body = proposedBody(message)
    if (body !== null && body.length > 0) keep(this.#bodies, new Uint8Array(body), BODIES_MAX)
  }

  /** Any message of the past; null where nothing was said yet. */
  message(random: SeededRandom): BftMessage | null {
    return this.#messages.length === 0 ? null : random.pick(this.#messages)
  }

  /** The newest body that clients' requests came in; null for none. */
  get body(): Uint8Array | null {
    return this.#bodies.at(-1) ?? null
  }
}

function keep<T>(items: T[], item: T, max: number): void {
  items.push(item)
  if (items.length > max) items.shift()
}
