/**
 * Shows that a session keeps order and exactly-once over requests that get lost on the way in or on the
 * way back, that it can always be cancelled, and that none is left behind. The node is the real state
 * machine behind a link that loses what the test says.
 */
import { expect, test } from 'vitest'
import type { Session } from '../../src/client/api.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import { CLIENT_FRAME, encodeApplied, requestNumberOf, requestOf } from '../../src/transport/client-protocol.js'
import type { WorkflowMachine } from '../../src/workflow/machine.js'
import type { Operation } from '../../src/workflow/operations.js'
import { decodeResults } from '../../src/workflow/result-codec.js'
import { until } from '../until.js'
import { applyEntry, cas, entryOf, keyOf, MapState, newMachine, START_MS } from '../workflow/harness.js'
import { CONTEXT, FakeCluster, type FakeLink, member } from './fake-cluster.js'

type Fate = 'answered' | 'applied' | 'lost' | 'refused'

/** A cluster of one node that decides by `fate` what becomes of the request that it gets as number `i`. */
class World {
  readonly machine: WorkflowMachine = newMachine(new MapState())
  readonly client
  /** Codes of the first result of every answer; `ok` where it is fine. */
  readonly answers: string[] = []
  received = 0
  #index = 0

  constructor(fate: (i: number) => Fate) {
    const cluster = new FakeCluster({
      'n1:1': (link, type, payload) => {
        if (type === CLIENT_FRAME.propose) this.#request(link, payload, fate(this.received++))
        else link.refuse(payload, 'InvalidArgument')
      },
    })
    this.client = cluster.client([member(1)], undefined, keyOf('writer'))
  }

  #request(link: FakeLink, payload: Uint8Array, fate: Fate): void {
    if (fate === 'lost') return
    if (fate === 'refused') {
      link.refuse(payload, 'FrameTooLarge')
      return
    }
    this.#index += 1
    const entry = entryOf(this.#index, START_MS, encodeBody([requestOf(payload)]))
    const [answer] = applyEntry(this.machine, entry)
    if (fate === 'applied' || answer === undefined) return
    const { firstPosition, results } = answer
    const outcome = decodeResults(results, this.#index, firstPosition)[0]?.outcome
    this.answers.push(outcome?.ok === true ? 'ok' : String(outcome?.code))
    link.deliver(
      CLIENT_FRAME.applied,
      encodeApplied(requestNumberOf(payload), CONTEXT, this.#index, firstPosition, results),
    )
  }
}

const isOk = async (session: Session, operation: Operation): Promise<boolean> =>
  (await session.submit([operation]))[0]?.outcome.ok === true
const lost = (session: Session, operation: Operation): Promise<unknown> =>
  expect(session.submit([operation], { timeoutMs: 40 })).rejects.toMatchObject({ code: 'OutcomeUnknown' })

for (const fate of ['lost', 'applied'] as const) {
  test(`an ordered session goes on behind a request that was ${fate} without an answer, and applies it once`, async () => {
    const world = new World((i) => (i >= 1 && i <= 3 ? fate : 'answered'))
    const session = await world.client.openSession({ ordered: true })
    // Each step needs the one before, and none could be done twice.
    const steps = [cas('k', null, '1'), cas('k', '1', '2'), cas('k', '2', '3')]
    await Promise.all(steps.map((step) => lost(session, step)))
    expect(await isOk(session, cas('k', '3', '4'))).toBe(true)
    expect(await isOk(session, cas('k', '4', '5'))).toBe(true)
    await session.close()
    expect(world.machine.sessions.size).toBe(0)
    await world.client.close()
  })
}

test('a number that was given up for good does not hold up those behind it', async () => {
  const world = new World((i) => (i === 1 ? 'refused' : 'answered'))
  const session = await world.client.openSession({ ordered: true })
  const refused = expect(isOk(session, cas('k', null, '0'))).rejects.toMatchObject({ code: 'FrameTooLarge' })
  // On its way before the refusal is known.
  const behind = isOk(session, cas('k', null, '1'))
  await refused
  expect(await behind).toBe(true)
  expect(world.answers).toContain('SequenceGap')
  await world.client.close()
})

test('a request that waits for an earlier one can be cancelled at any time', async () => {
  const stop = new AbortController()
  const world = new World((i) => (i === 1 ? 'lost' : 'answered'))
  const session = await world.client.openSession({ ordered: true })
  const first = session.submit([cas('k', null, '1')])
  const firstEnd = expect(first).rejects.toMatchObject({ code: 'Aborted' })
  const second = expect(session.submit([cas('k', '1', '2')], { signal: stop.signal })).rejects.toMatchObject({
    code: 'Aborted',
    details: { outcomeUnknown: true },
  })
  await until(() => world.answers.includes('SequenceGap'))
  // The answer arrives in the next turn; the pause before the next attempt begins then.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  stop.abort()
  await second
  const sendings = world.received
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(world.received).toBe(sendings)
  await world.client.close()
  await firstEnd
})

test('the session of a single operation is closed whatever becomes of the operation', async () => {
  for (const fate of ['answered', 'applied', 'lost', 'refused'] as const) {
    const world = new World((i) => (i === 1 ? fate : 'answered'))
    const submitted = world.client.submitOnce(cas('k', null, '1'), { timeoutMs: 60 })
    if (fate === 'answered') expect((await submitted).outcome.ok).toBe(true)
    else
      await expect(submitted).rejects.toMatchObject({ code: fate === 'refused' ? 'FrameTooLarge' : 'OutcomeUnknown' })
    await until(() => world.machine.sessions.size === 0)
    await world.client.close()
  }
})
