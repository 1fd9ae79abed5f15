/**
 * Four real processes of a hybrid cluster export to a real OTLP receiver: a member's bad signatures, the switch to
 * PBFT that follows, and the view change after its primary died leave their spans and metrics, with the attributes,
 * types and units that the registry declares and nothing else.
 */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeRegistry, type RegistryEntry } from '../../src/telemetry/registry/describe.js'
import { loadRegistry } from '../../src/telemetry/registry/load.js'
import { eventually } from '../e2e/harness.js'
import { HybridWorld } from '../e2e/hybrid-world.js'
import { OtlpReceiver, plain } from './otlp-receiver.js'

const WAIT = { timeout: 20_000 }
const LIAR = 'n4'
const HONEST = ['n1', 'n2', 'n3']

let receiver: OtlpReceiver
let hybrid: HybridWorld
let entries: RegistryEntry[] = []
beforeAll(async () => {
  entries = describeRegistry(await loadRegistry(fileURLToPath(new URL('../../registry', import.meta.url))))
  receiver = await OtlpReceiver.start()
  hybrid = await HybridWorld.make({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_METRIC_EXPORT_INTERVAL: '200',
    OTEL_BSP_SCHEDULE_DELAY: '50',
  })
}, 60_000)
afterAll(async () => {
  await hybrid.remove()
  await receiver.close()
})

type Attributes = ReturnType<typeof plain>

const nodeOf = (instance: string): string => instance.split('/')[1] ?? ''

/** What spans of this name say, with the node that sent them. */
function spans(name: string): Attributes[] {
  return receiver.spans.filter((span) => span.name === name).map(({ attributes }) => plain(attributes))
}

/** The newest value of a metric on a node: of its point with these attributes. */
function value(name: string, node: string, attributes: Attributes = {}): number | null {
  for (const metric of [...receiver.metrics].reverse()) {
    if (metric.name !== name || nodeOf(metric.instance) !== node) continue
    const points = (metric.sum ?? metric.gauge ?? metric.histogram)?.dataPoints ?? []
    const point = points.find((one) =>
      Object.entries(attributes).every(([key, wanted]) => plain(one.attributes)[key] === wanted),
    )
    if (point !== undefined) return Number(point.asInt ?? point.asDouble ?? point.count)
  }
  return null
}

it('tells of a threat as it grows, and of the switch that it brings', async () => {
  await hybrid.put('before')
  await hybrid.world.endNode(LIAR, 'SIGTERM')
  await hybrid.startAdversary(LIAR, 'bad-signatures', '--count', '6')
  await eventually('the cluster has switched', async () => (await hybrid.mode()).mode === 'pbft')
  await hybrid.put('after')
  for (const node of HONEST) {
    const levels = () =>
      spans('consensus.hybrid.threat_detection')
        .filter((attributes) => attributes['consensus.node_id'] === node)
        .map((attributes) => attributes['consensus.threat_level'])
    await expect.poll(levels, WAIT).toEqual(['low', 'medium', 'high'])
    await expect.poll(() => value('consensus.threat.level', node), WAIT).toBe(3)
    const active = (protocol: string) => ({ 'consensus.hybrid.active_protocol': protocol })
    const switches = 'consensus.hybrid.protocol_switches.total'
    await expect.poll(() => value(switches, node, active('pbft')), WAIT).toBe(1)
    expect(value(switches, node, active('raft'))).toBe(0)
    await expect.poll(() => value('consensus.mode', node, active('pbft')), WAIT).toBe(1)
    await expect.poll(() => value('consensus.epoch.current', node), WAIT).toBe(1)
    await expect.poll(() => value('consensus.hybrid.switch.latency', node), WAIT).toBe(1)
    expect(value('consensus.view.changes.total', node, { 'consensus.view_change_cause': 'timeout' })).toBe(0)
  }
  await expect
    .poll(() => spans('consensus.bft.consensus').filter((span) => span['consensus.view'] === 0), WAIT)
    .toContainEqual(expect.objectContaining({ 'consensus.hybrid.active_protocol': 'pbft' }))
}, 60_000)

it('tells of a view change after the primary died', async () => {
  const { leader } = await hybrid.mode()
  await hybrid.world.endNode(leader ?? '', 'SIGKILL')
  await hybrid.put('in another view')
  const others = HONEST.filter((node) => node !== leader)
  for (const node of others) {
    const changes = () => value('consensus.view.changes.total', node, { 'consensus.view_change_cause': 'timeout' })
    await expect.poll(changes, WAIT).toBeGreaterThanOrEqual(1)
    await expect.poll(() => value('consensus.view.current', node), WAIT).toBeGreaterThanOrEqual(1)
  }
  await expect
    .poll(() => spans('consensus.bft.consensus').some((span) => Number(span['consensus.view']) >= 1), WAIT)
    .toBe(true)
}, 60_000)

it('says all of it in declared names, types and units', () => {
  const carried = (kind: RegistryEntry['kind'], name: string) =>
    entries.find((entry) => entry.kind === kind && entry.name === name) ?? expect.fail(`no ${kind} ${name}`)
  for (const { name, attributes } of receiver.spans)
    expect(carried('span', name).values, name).toEqual(expect.arrayContaining(Object.keys(plain(attributes))))
  for (const { name, unit, sum, gauge, histogram } of receiver.metrics) {
    const declared = carried('metric', name)
    expect(unit, name).toBe(declared.unit)
    const data = { counter: sum, gauge, histogram }[declared.type as 'counter' | 'gauge' | 'histogram']
    for (const { attributes } of data?.dataPoints ?? expect.fail(`${name} is no ${declared.type}`))
      expect(Object.keys(plain(attributes)).sort(), name).toEqual([...declared.values].sort())
  }
})
