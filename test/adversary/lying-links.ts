/**
 * The links of a member that lies: what its node says passes through a liar on its way out, what it hears
 * is remembered to lie with. Everything else is the production node on the production network.
 */
import type { ProtocolMessage } from '../../src/consensus/core.js'
import type { NodeId } from '../../src/consensus/types.js'
import type { PeerLinks, Scheduler } from '../../src/node/ports.js'

/** What is said instead, and how late; null for the message itself. */
export type Speak = (
  to: NodeId,
  message: ProtocolMessage,
) => readonly { message: ProtocolMessage; delayMs: number }[] | null

export interface LyingLinksOptions {
  readonly links: PeerLinks
  readonly scheduler: Scheduler
  readonly speak: Speak
  /** Gives what it says to that at once. */
  readonly hear: (from: NodeId, message: ProtocolMessage) => readonly ProtocolMessage[]
}

export class LyingLinks implements PeerLinks {
  readonly #options: LyingLinksOptions
  onMessage: (from: NodeId, message: ProtocolMessage) => void = () => {}
  onConnectionChange: (peer: NodeId, connected: boolean) => void = () => {}

  constructor(options: LyingLinksOptions) {
    this.#options = options
    const { links, hear } = options
    links.onMessage = (from, message) => {
      for (const said of hear(from, message)) links.send(from, said)
      this.onMessage(from, message)
    }
    links.onConnectionChange = (peer, connected) => this.onConnectionChange(peer, connected)
  }

  send(to: NodeId, message: ProtocolMessage): boolean {
    const { links, scheduler, speak } = this.#options
    const said = speak(to, message)
    if (said === null) return links.send(to, message)
    for (const one of said) {
      if (one.delayMs === 0) links.send(to, one.message)
      else
        scheduler.after(one.delayMs, () => {
          links.send(to, one.message)
          links.flush()
        })
    }
    return true
  }

  flush(): void {
    this.#options.links.flush()
  }

  isConnected(peer: NodeId): boolean {
    return this.#options.links.isConnected(peer)
  }

  rttMs(peer: NodeId): number | null {
    return this.#options.links.rttMs(peer)
  }

  setMembers(members: Parameters<PeerLinks['setMembers']>[0]): void {
    this.#options.links.setMembers(members)
  }

  close(): Promise<void> {
    return this.#options.links.close()
  }
}
