/**
 * Three real nodes export to a real OTLP receiver: an election, a proposal that a client traced, a snapshot
 * and its way to a node that comes late leave their spans and metrics, in one trace from the client to the
 * followers, with the attributes, types and units that the registry declares and nothing else.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type ClusterClient, connectClient } from '../../src/client/index.js'
import { DEFAULT_SETTINGS } from '../../src/consensus/configuration.js'
import { type RunningNode, startNode } from '../../src/node/start.js'
import { formatDataDirectory } from '../../src/storage/data-directory.js'
import { realFiles } from '../../src/storage/real-files.js'
import { describeRegistry, type RegistryEntry } from '../../src/telemetry/registry/describe.js'
import { loadRegistry } from '../../src/telemetry/registry/load.js'
import { kvOperation } from '../../src/workflow/kv-codec.js'
import { key, type Members, members, RecordingLogger } from '../transport/harness.js'
import { type From, OtlpReceiver, type OtlpSpan, plain } from './otlp-receiver.js'

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const CLIENT_SPAN = '00f067aa0ba902b7'
const WAIT = { timeout: 20_000 }
const KIND_INTERNAL = 1
const CUMULATIVE = 2

let base = ''
let setup: Members
let receiver: OtlpReceiver
let client: ClusterClient
let entries: RegistryEntry[] = []
const nodes: RunningNode[] = []
const loggers: RecordingLogger[] = []

async function start(i: number): Promise<void> {
  const { configuration, keys } = setup
  const member = configuration.members[i]
  const pair = keys[i]
  if (member === undefined || pair === undefined) throw new Error(`no member ${i}`)
  const dataDir = join(base, member.id)
  const identity = {
    clusterId: configuration.clusterId,
    nodeId: member.id,
    incarnation: new Uint8Array(16).fill(i),
    createdAtMs: 1,
  }
  await formatDataDirectory(realFiles(), dataDir, identity)
  const logger = new RecordingLogger()
  loggers.push(logger)
  nodes.push(await startNode({ configuration, nodeId: member.id, dataDir, key: pair, logger, version: '1.2.3' }))
}

async function put(name: string, traceparent?: string): Promise<void> {
  const operation = kvOperation({ operation: 'kv.put', key: Buffer.from(name), value: Buffer.from('value') })
  const session = await client.openSession()
  await session.submit([operation], { timeoutMs: 20_000, ...(traceparent === undefined ? {} : { traceparent }) })
}

function spansOf(name: string): From<OtlpSpan>[] {
  return receiver.spans.filter((span) => span.name === name)
}

async function awaitSpans(
  name: string,
  which: (span: From<OtlpSpan>) => boolean = () => true,
): Promise<From<OtlpSpan>[]> {
  await expect.poll(() => spansOf(name).filter(which).length, WAIT).toBeGreaterThan(0)
  return spansOf(name).filter(which)
}

function carried(kind: RegistryEntry['kind'], name: string): readonly string[] {
  const entry = entries.find((one) => one.kind === kind && one.name === name)
  if (entry === undefined) throw new Error(`the registry has no ${kind} ${name}`)
  return entry.values
}

beforeAll(async () => {
  entries = describeRegistry(await loadRegistry(fileURLToPath(new URL('../../registry', import.meta.url))))
  base = await mkdtemp(join(tmpdir(), 'knhk-otlp-'))
  receiver = await OtlpReceiver.start()
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.url)
  vi.stubEnv('OTEL_METRIC_EXPORT_INTERVAL', '200')
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '50')
  const made = await members(3)
  // Three nodes share this process: it may be held up for longer than an election usually takes.
  const settings = {
    ...DEFAULT_SETTINGS,
    electionTimeoutMinMs: 1000,
    electionTimeoutMaxMs: 2000,
    heartbeatIntervalMs: 100,
  }
  setup = { ...made, configuration: { ...made.configuration, settings } }
  client = await connectClient({ configuration: setup.configuration, key: await key(100), timeoutMs: 20_000 })
  await start(0)
  await start(1)
})

afterAll(async () => {
  await client.close()
  for (const node of nodes) await node.stop()
  await receiver.close()
  vi.unstubAllEnvs()
  await rm(base, { recursive: true, force: true })
})

it('leaves one trace for a proposal, from the client over the leader to the follower', async () => {
  await put('first')
  await put('traced', `00-${TRACE_ID}-${CLIENT_SPAN}-01`)
  const [proposal] = await awaitSpans('consensus.propose', ({ traceId }) => traceId === TRACE_ID)
  if (proposal === undefined) throw new Error('no proposal')
  expect(proposal.parentSpanId).toBe(CLIENT_SPAN)
  expect(plain(proposal.attributes)).toMatchObject({
    'consensus.outcome': 'committed',
    'consensus.batch_size': 1,
    'consensus.protocol': 'raft',
  })
  const isChild = ({ traceId, parentSpanId }: OtlpSpan): boolean =>
    traceId === TRACE_ID && parentSpanId === proposal.spanId
  expect(await awaitSpans('consensus.raft.replicate', isChild)).toHaveLength(1)
  await expect
    .poll(
      () =>
        new Set(
          spansOf('consensus.replication.apply')
            .filter(isChild)
            .map(({ instance }) => instance),
        ).size,
      WAIT,
    )
    .toBe(2)
  const index = plain(proposal.attributes)['consensus.log_index']
  for (const span of spansOf('consensus.replication.apply').filter(isChild))
    expect(plain(span.attributes)['consensus.log_index']).toBe(index)
  expect(BigInt(proposal.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(proposal.startTimeUnixNano))
})

it('leaves a span for the election, and its ids in the log', async () => {
  const [election] = await awaitSpans(
    'consensus.raft.election',
    ({ attributes }) => plain(attributes)['consensus.raft.role'] === 'leader',
  )
  const lines = loggers
    .flatMap((logger) => logger.lines)
    .filter(({ event, fields }) => event === 'role changed' && fields.role === 'leader')
  expect(lines.map(({ fields }) => fields.trace_id)).toContain(election?.traceId)
})

it('leaves spans for a snapshot, and for its way to a node that comes late', async () => {
  const { leader } = await client.clusterStatus()
  await client.order({ kind: 'compactLog' }, { node: leader as string })
  const [taken] = await awaitSpans('consensus.replication.snapshot')
  await start(2)
  const [fetched] = await awaitSpans('consensus.raft.snapshot')
  const [a, b] = [plain(taken?.attributes ?? []), plain(fetched?.attributes ?? [])]
  expect(b['consensus.log_index']).toBe(a['consensus.log_index'])
  expect(b['consensus.replication.snapshot_size']).toBe(a['consensus.replication.snapshot_size'])
  expect(b['consensus.node_id']).toBe('n3')
})

it('sends spans as they are declared, and nothing else', () => {
  expect(receiver.spans.length).toBeGreaterThan(5)
  for (const { name, kind, attributes } of receiver.spans) {
    expect(kind).toBe(KIND_INTERNAL)
    const values = plain(attributes)
    for (const [attribute, value] of Object.entries(values)) {
      expect(carried('span', name), name).toContain(attribute)
      const declared = entries.find((entry) => entry.kind === 'attribute' && entry.name === attribute)
      expect(typeof value, attribute).toBe(declared?.type === 'int' ? 'number' : 'string')
      if (declared?.type === 'enum') expect(declared.values).toContain(value)
    }
  }
})

it('sends every metric as it is declared, and nothing else', async () => {
  const names = entries.filter(({ kind }) => kind === 'metric').map(({ name }) => name)
  await expect.poll(() => new Set(receiver.metrics.map(({ instance }) => instance)).size, WAIT).toBe(3)
  await expect.poll(() => new Set(receiver.metrics.map(({ name }) => name)), WAIT).toEqual(new Set(names))
  for (const metric of receiver.metrics) {
    const entry = entries.find((one) => one.kind === 'metric' && one.name === metric.name)
    expect(metric.unit, metric.name).toBe(entry?.unit)
    const kinds = { counter: metric.sum, gauge: metric.gauge, histogram: metric.histogram }
    const data = kinds[entry?.type as keyof typeof kinds]
    expect(data, metric.name).toBeDefined()
    if (metric.sum !== undefined)
      expect(metric.sum).toMatchObject({ isMonotonic: true, aggregationTemporality: CUMULATIVE })
    if (metric.histogram !== undefined) expect(metric.histogram.aggregationTemporality).toBe(CUMULATIVE)
    for (const { attributes } of data?.dataPoints ?? []) {
      expect(Object.keys(plain(attributes)).sort(), metric.name).toEqual([...carried('metric', metric.name)].sort())
    }
  }
  const committed = receiver.metrics.flatMap(({ name, sum }) =>
    name === 'consensus.proposals.total' ? (sum?.dataPoints ?? []) : [],
  )
  const counts = committed
    .filter(({ attributes }) => plain(attributes)['consensus.outcome'] === 'committed')
    .map(({ asDouble, asInt }) => Number(asDouble ?? asInt))
  expect(Math.max(...counts)).toBeGreaterThanOrEqual(4)
})

it('says who it is in declared attributes', () => {
  const declared = entries
    .filter(({ kind, name }) => kind === 'attribute' && !name.startsWith('consensus.'))
    .map(({ name }) => name)
  for (const attributes of receiver.resources)
    expect(Object.keys(plain(attributes)).sort()).toEqual([...declared].sort())
  expect(plain(receiver.resources[0] ?? [])).toMatchObject({ 'service.name': 'knhk', 'service.version': '1.2.3' })
  expect([...receiver.scopes]).toEqual(['knhk'])
})

it('shows the same over HTTP and to the program', async () => {
  const [node] = nodes
  if (node === undefined || node.httpUrl === null) throw new Error('no HTTP')
  await expect.poll(() => fetch(`${node.httpUrl}/readyz`).then(({ status }) => status), WAIT).toBe(200)
  await expect
    .poll(() => fetch(`${node.httpUrl}/metrics`).then((response) => response.text()), WAIT)
    .toContain('consensus_ready{consensus_node_id="n1"} 1')
  expect(await (await fetch(`${node.httpUrl}/status`)).json()).toMatchObject({ id: 'n1', http: node.httpUrl })
  const submitted = nodes.reduce((sum, one) => sum + one.metrics().proposalsSubmitted, 0)
  expect(submitted).toBeGreaterThanOrEqual(4)
  expect(nodes.reduce((sum, one) => sum + one.metrics().leaderElections, 0)).toBeGreaterThanOrEqual(1)
})

it('is not ready without a leader, and alive all the same', async () => {
  const others = nodes.splice(1)
  for (const node of others) await node.stop()
  const url = nodes[0]?.httpUrl
  await expect.poll(() => fetch(`${url}/readyz`).then(({ status }) => status), WAIT).toBe(503)
  const { reasons } = (await (await fetch(`${url}/readyz`)).json()) as { reasons: { reason: string }[] }
  expect(reasons.map(({ reason }) => reason)).toContain('no_leader')
  expect((await fetch(`${url}/livez`)).status).toBe(200)
})
