/** Shows that messages without end are a finding, and that a network counts what is on its way. */
import { describe, expect, it } from 'vitest'
import { EventQueue } from '../../src/simulator/event-queue.js'
import { Failpoints } from '../../src/simulator/failpoints.js'
import { SimulatedNetwork } from '../../src/simulator/network.js'
import { SeededRandom } from '../../src/simulator/random.js'
import { checkTraffic } from '../../src/simulator/traffic-rule.js'
import { append, N1, N2 } from '../consensus/engine.js'

describe('messages on the way', () => {
  it('are counted from the send to the delivery, and too many at once are a violation', async () => {
    const queue = new EventQueue()
    const network = new SimulatedNetwork(queue, new SeededRandom(1, 0))
    const failpoints = new Failpoints()
    const links = network.attach(N1, (callback) => callback(), failpoints)
    network.attach(N2, (callback) => callback(), failpoints)
    for (let at = 0; at < 10_000; at++) links.send(N2, append({ term: 1 }))
    links.flush()
    expect(network.onTheWay).toBe(10_000)
    expect(() => checkTraffic(network)).not.toThrow()
    links.send(N2, append({ term: 1 }))
    links.flush()
    expect(() => checkTraffic(network)).toThrow('10001 messages are on their way')
    await queue.run(1000)
    expect(network.onTheWay).toBe(0)
    expect(() => checkTraffic(network)).not.toThrow()
  })
})
