/** Shows that a channel tells three outcomes apart and never leaves a caller waiting, whatever a link does. */
import { expect, test } from 'vitest'
import { KnhkError } from '../../src/base/error.js'
import { Channel } from '../../src/client/channel.js'
import { Links } from '../../src/client/links.js'
import { DEFAULT_SETTINGS } from '../../src/consensus/configuration.js'
import { nodeId } from '../../src/consensus/types.js'
import {
  CLIENT_FRAME,
  encodeApplied,
  encodeLeaderNotice,
  encodeQueryAnswer,
  encodeRefused,
  PROPOSE_HEADER_BYTES,
  requestNumberOf,
} from '../../src/transport/client-protocol.js'
import type { FrameLink } from '../../src/transport/dial.js'
import { TRANSPORT_LIMITS } from '../../src/transport/limits.js'
import { encodeResults, OK } from '../../src/workflow/result-codec.js'
import { FakeCluster, member } from './fake-cluster.js'

const CONTEXT = { mode: 'raft', assurance: 'quorum', epoch: 0 } as const
const MEMBERS = [{ id: nodeId('n1'), publicKey: new Uint8Array(32), address: 'n1:1', zone: 'z1' }]
const CONFIGURATION = {
  clusterId: new Uint8Array(16),
  protocol: 'raft' as const,
  genesis: MEMBERS,
  members: MEMBERS,
  clients: [],
  settings: DEFAULT_SETTINGS,
}

/** The far end of a link to the only member, which leads. `onSend` says whether the link took the frame. */
function connected(onSend: (link: FakeLink, payload: Uint8Array) => boolean): Channel {
  return new Channel(
    (handlers) =>
      new Links({
        configuration: CONFIGURATION,
        dial: async () => {
          const link = new FakeLink(onSend)
          link.deliver(CLIENT_FRAME.leader, encodeLeaderNotice(1, 'n1'))
          return link
        },
        ...handlers,
      }),
  )
}

class FakeLink implements FrameLink {
  onFrame: FrameLink['onFrame'] = () => {}
  onClose: FrameLink['onClose'] = () => {}
  readonly bufferedBytes = 0
  readonly rttMs = null
  open = true
  readonly #onSend: (link: FakeLink, payload: Uint8Array) => boolean

  constructor(onSend: (link: FakeLink, payload: Uint8Array) => boolean) {
    this.#onSend = onSend
  }

  send(_type: number, payload: Uint8Array): boolean {
    if (payload.length + 1 > TRANSPORT_LIMITS.clientFrameBytes) throw new KnhkError('FrameTooLarge', 'too large')
    return this.#onSend(this, payload)
  }

  /** As a real connection: a frame that the handler cannot read ends it. */
  deliver(type: number, payload: Uint8Array): void {
    setImmediate(() => {
      try {
        this.onFrame(type, payload)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ProtocolViolation' })
        this.close()
      }
    })
  }

  flush(): void {}

  close(): void {
    if (!this.open) return
    this.open = false
    this.onClose(null)
  }
}

function propose(channel: Channel, requestBytes = 8): Promise<'applied' | string> {
  return new Promise((resolve, reject) => {
    try {
      channel.propose(new Uint8Array(PROPOSE_HEADER_BYTES + requestBytes), 2000, (context, _, error) =>
        resolve(context === null ? (error?.code ?? '') : 'applied'),
      )
    } catch (error) {
      reject(error)
    }
  })
}

const applied = (payload: Uint8Array): Uint8Array =>
  encodeApplied(requestNumberOf(payload), CONTEXT, 1, 0, encodeResults([OK]))

test('a frame that the full queue of a link did not take is sent again', async () => {
  let refusals = 3
  const channel = connected((link, payload) => {
    if (refusals-- > 0) return false
    link.deliver(CLIENT_FRAME.applied, applied(payload))
    return true
  })
  expect(await propose(channel)).toBe('applied')
  channel.close()
})

test('an answer that cannot be read counts as none: the request is sent again', async () => {
  let garbled = 2
  const channel = connected((link, payload) => {
    const answer = applied(payload)
    if (garbled-- > 0) answer[4] = 0xee
    link.deliver(CLIENT_FRAME.applied, answer)
    return true
  })
  expect(await propose(channel)).toBe('applied')
  channel.close()
})

test('the largest frame is sent, one byte more is refused at once', async () => {
  const channel = connected((link, payload) => {
    link.deliver(CLIENT_FRAME.applied, applied(payload))
    return true
  })
  const largest = TRANSPORT_LIMITS.clientFrameBytes - 1 - PROPOSE_HEADER_BYTES
  expect(await propose(channel, largest)).toBe('applied')
  expect(await propose(channel, largest + 1)).toBe('FrameTooLarge')
  channel.close()
})

test('a refusal that leaves the outcome open is never reported as a failure', async () => {
  const refusal = { message: '', details: {}, leader: null, code: 'FrameTooLarge' } as const
  let outcomeUnknown = true
  const channel = connected((link, payload) => {
    const requestNumber = requestNumberOf(payload)
    link.deliver(CLIENT_FRAME.refused, encodeRefused({ ...refusal, requestNumber, outcomeUnknown }))
    return true
  })
  expect(await propose(channel)).toBe('OutcomeUnknown')
  outcomeUnknown = false
  expect(await propose(channel)).toBe('FrameTooLarge')
  channel.close()
})

test('a member that lets us in and closes is not dialled without pause, and is asked once it stays', async () => {
  let staying = false
  const cluster = new FakeCluster({
    'n1:1': (link, _type, payload) => {
      if (!staying) setImmediate(() => link.close())
      else {
        const requestNumber = requestNumberOf(payload)
        const answer = encodeQueryAnswer({ requestNumber, ...CONTEXT, index: 1, staleMs: 0, value: 'here' })
        link.deliver(CLIENT_FRAME.answer, answer)
      }
    },
  })
  const channel = cluster.channel([member(1)])
  const ask = (timeoutMs: number): Promise<unknown> =>
    new Promise((resolve) => {
      const query = { name: 'node.status', args: {}, read: 'local', member: 'n1' } as const
      channel.query(query, timeoutMs, (answer, error) => resolve(answer?.value ?? error?.code))
    })
  expect(await ask(400)).not.toBe('here')
  // Pauses of 20, 40, 80 … ms: a handful of attempts where there were hundreds.
  expect(cluster.dials.length).toBeGreaterThan(1)
  expect(cluster.dials.length).toBeLessThan(10)
  staying = true
  expect(await ask(5_000)).toBe('here')
  channel.close()
})
