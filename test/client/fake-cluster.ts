/**
 * Nodes for the tests of the client library, on links in memory: each answers frames as a test says,
 * through the real codecs. What is under test is everything above the link.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { KnhkError } from '../../src/base/error.js'
import type { ErrorCode } from '../../src/base/error-codes.js'
import { Channel } from '../../src/client/channel.js'
import { ClusterClient } from '../../src/client/client.js'
import { Links } from '../../src/client/links.js'
import {
  type ClusterConfiguration,
  DEFAULT_SETTINGS,
  type MemberConfiguration,
} from '../../src/consensus/configuration.js'
import { nodeId } from '../../src/consensus/types.js'
import {
  CLIENT_FRAME,
  encodeLeaderNotice,
  encodeRefused,
  requestNumberOf,
} from '../../src/transport/client-protocol.js'
import type { FrameLink } from '../../src/transport/dial.js'

export const CONTEXT = { mode: 'raft', assurance: 'quorum', epoch: 0 } as const
const CLIENT_KEY: Uint8Array = new Uint8Array(32).fill(200)

export function member(n: number, address = `n${n}:1`): MemberConfiguration {
  return { id: nodeId(`n${n}`), publicKey: new Uint8Array(32).fill(n), address, zone: 'z1' }
}

/** What a node does with a frame: answers through `link`, or does nothing. */
export type OnFrame = (link: FakeLink, type: number, payload: Uint8Array) => void

export class FakeLink implements FrameLink {
  onFrame: FrameLink['onFrame'] = () => {}
  onClose: FrameLink['onClose'] = () => {}
  readonly bufferedBytes = 0
  readonly rttMs = null
  open = true
  violations = 0
  readonly member: MemberConfiguration
  readonly #onSend: OnFrame

  constructor(to: MemberConfiguration, onSend: OnFrame) {
    this.member = to
    this.#onSend = onSend
  }

  send(type: number, payload: Uint8Array): boolean {
    if (!this.open) return false
    this.#onSend(this, type, payload)
    return true
  }

  deliver(type: number, payload: Uint8Array): void {
    setImmediate(() => {
      if (!this.open) return
      try {
        this.onFrame(type, payload)
      } catch (error) {
        // As a real connection: a frame that the handler cannot read ends it.
        if (!(error instanceof KnhkError) || error.code !== 'ProtocolViolation') throw error
        this.violations++
        this.close()
      }
    })
  }

  refuse(request: Uint8Array, code: ErrorCode, leader: string | null = null, outcomeUnknown = false): void {
    const refusal = {
      requestNumber: requestNumberOf(request),
      code,
      message: code,
      details: {},
      leader,
      outcomeUnknown,
    }
    this.deliver(CLIENT_FRAME.refused, encodeRefused(refusal))
  }

  flush(): void {}

  close(): void {
    if (!this.open) return
    this.open = false
    this.onClose(null)
  }
}

export class FakeCluster {
  /** Nodes that can be reached, by address. */
  readonly nodes = new Map<string, OnFrame>()
  readonly dials: string[] = []
  readonly links: FakeLink[] = []
  leader: string | null = 'n1'
  term = 1

  constructor(nodes: Readonly<Record<string, OnFrame>>) {
    for (const [address, onFrame] of Object.entries(nodes)) this.nodes.set(address, onFrame)
  }

  channel(members: readonly MemberConfiguration[], endpoints?: readonly string[]): Channel {
    const configuration: ClusterConfiguration = {
      clusterId: new Uint8Array(16),
      protocol: 'raft',
      genesis: members,
      members,
      clients: [],
      settings: DEFAULT_SETTINGS,
    }
    return new Channel(
      (handlers) =>
        new Links({
          configuration,
          ...(endpoints === undefined ? {} : { endpoints }),
          dial: (to) => this.#dial(to),
          ...handlers,
        }),
    )
  }

  client(
    members: readonly MemberConfiguration[],
    endpoints?: readonly string[],
    clientKey = CLIENT_KEY,
  ): ClusterClient {
    return new ClusterClient(this.channel(members, endpoints), {
      clientKey,
      protocol: 'raft',
      timeoutMs: 5_000,
      trace: new Uint8Array(0),
    })
  }

  elect(leader: string): void {
    this.leader = leader
    this.term += 1
    for (const link of this.links) link.deliver(CLIENT_FRAME.leader, encodeLeaderNotice(this.term, leader))
  }

  async #dial(to: MemberConfiguration): Promise<FrameLink> {
    this.dials.push(`${to.id} ${to.address}`)
    await turn()
    const onFrame = this.nodes.get(to.address)
    if (onFrame === undefined) throw new KnhkError('Unreachable', `${to.address} cannot be reached`)
    const link = new FakeLink(to, onFrame)
    this.links.push(link)
    link.deliver(CLIENT_FRAME.leader, encodeLeaderNotice(this.term, this.leader))
    return link
  }
}
