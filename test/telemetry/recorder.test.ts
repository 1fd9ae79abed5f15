/**
 * The recorder counts what it is told: proposals by their end, latencies by phase, elections, snapshots;
 * spans hang together over client, leader and followers; and the text for Prometheus has the promised names.
 */
import { expect, it } from 'vitest'
import { logIndex, nodeId, term } from '../../src/consensus/types.js'
import { consensusMetrics } from '../../src/telemetry/consensus-metrics.js'
import { BucketHistogram, LATENCY_BOUNDS_MS } from '../../src/telemetry/histogram.js'
import { prometheusText } from '../../src/telemetry/prometheus.js'
import { type NotReady, notReadyReasons } from '../../src/telemetry/readiness.js'
import { otelSettings } from '../../src/telemetry/settings.js'
import { isTraceParent } from '../../src/telemetry/spans.js'
import { Throughput } from '../../src/telemetry/throughput.js'
import { factsOf, liveThrough, makeRig, propose, SELF, seriesOf } from './drive.js'

const CLIENT_TRACE = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`

it('measures a proposal in its phases', () => {
  const { recorder, clock } = makeRig()
  propose(recorder, clock, 7, 3)
  for (const phase of ['collect', 'store', 'apply', 'reply'] as const)
    expect(recorder.phases[phase].mean, phase).toBe(1)
  expect(recorder.phases.commit.mean).toBe(2)
  expect(recorder.latency.value).toMatchObject({ count: 3, sum: 15, min: 5, max: 5 })
  expect(recorder.fsync.mean).toBe(1)
  expect(recorder.outcomes).toEqual({ committed: 3, rejected: 0, unknown: 0 })
})

it('forgets what was under way when leadership is gone', () => {
  const { recorder, clock, sink } = makeRig()
  recorder.collecting()
  recorder.proposed(logIndex(7), term(4), 2, 100, [])
  recorder.abandoned(2)
  propose(recorder, clock, 7, 1)
  expect(recorder.outcomes).toEqual({ committed: 1, rejected: 0, unknown: 2 })
  expect(recorder.latency.value.count).toBe(1)
  const ends = sink.spans
    .filter(({ name }) => name === 'consensus.propose')
    .map(({ attributes, failed }) => [attributes['consensus.outcome'], failed])
  expect(ends).toEqual([
    ['unknown', true],
    ['committed', false],
  ])
})

it('keeps proposals apart that are further apart than it can see', () => {
  const { recorder, clock } = makeRig()
  recorder.proposed(logIndex(1), term(4), 1, 10, [])
  propose(recorder, clock, 65, 1)
  recorder.applied(logIndex(1), 'data', 1)
  recorder.answered()
  expect(recorder.latency.value.count).toBe(1)
})

it('hangs the spans of client, leader and follower together', () => {
  const leader = makeRig()
  propose(leader.recorder, leader.clock, 7, 1, [CLIENT_TRACE, 'not a trace'])
  const proposal = leader.sink.spans.find(({ name }) => name === 'consensus.propose')
  expect(proposal?.parents).toEqual([CLIENT_TRACE])
  const [sent] = leader.links.sent
  expect(sent).toMatchObject({ index: 7, term: 4 })
  for (const name of ['consensus.raft.replicate', 'consensus.replication.apply']) {
    expect(leader.sink.spans.find((span) => span.name === name)?.parents).toEqual([sent?.traceparent])
  }
  const follower = makeRig()
  if (sent !== undefined) follower.links.onTrace(SELF, sent)
  follower.recorder.applying(logIndex(6))
  follower.recorder.applied(logIndex(6), 'data', 1)
  follower.recorder.applying(logIndex(7))
  follower.recorder.applied(logIndex(7), 'data', 1)
  expect(follower.sink.spans).toEqual([
    expect.objectContaining({ name: 'consensus.replication.apply', parents: [sent?.traceparent] }),
  ])
})

it('remembers the traces of a bounded number of entries', () => {
  const { links, recorder, sink } = makeRig()
  for (let index = 1; index <= 300; index++)
    links.onTrace(SELF, { index: logIndex(index), term: term(1), traceparent: CLIENT_TRACE })
  for (const index of [1, 44, 45, 300]) {
    recorder.applying(logIndex(index))
    recorder.applied(logIndex(index), 'data', 1)
  }
  expect(sink.spans.map(({ attributes }) => attributes['consensus.log_index'])).toEqual([45, 300])
})

it('says how an election ended', () => {
  const { recorder, sink, spans } = makeRig()
  recorder.roleChanged('candidate', term(5), null)
  expect(spans.idsFor('role changed')).not.toBeNull()
  recorder.roleChanged('candidate', term(6), null)
  recorder.roleChanged('follower', term(6), nodeId('n2'))
  const seen = sink.spans.map(({ attributes, failed }) => [
    attributes['consensus.term'],
    attributes['consensus.raft.role'],
    attributes['consensus.raft.leader_id'],
    failed,
  ])
  expect(seen).toEqual([
    [5, 'candidate', undefined, true],
    [6, 'follower', 'n2', true],
  ])
  recorder.roleChanged('candidate', term(7), null)
  recorder.roleChanged('leader', term(7), SELF)
  expect(sink.spans.at(-1)).toMatchObject({ failed: false, attributes: { 'consensus.raft.role': 'leader' } })
  expect(recorder.elections).toBe(3)
  expect(recorder.leaderChanges).toBe(3)
  expect(spans.idsFor('peer connected')).toBeNull()
})

it('counts a bounded number of kinds of evidence', () => {
  const { recorder } = makeRig()
  for (let kind = 0; kind < 40; kind++) recorder.evidence(`kind ${kind}`, null)
  expect(recorder.byzantineFailures.size).toBe(17)
  expect(recorder.byzantineFailures.get('other')).toBe(24)
})

it('gives the figures of the library', () => {
  const rig = makeRig()
  liveThrough(rig)
  expect(consensusMetrics(rig.recorder, 12.5)).toEqual({
    proposalsSubmitted: 5,
    proposalsCommitted: 3,
    proposalsRejected: 2,
    averageLatencyMs: 5,
    p99LatencyMs: 5,
    leaderElections: 1,
    viewChanges: 1,
    byzantineFailures: 1,
    snapshotsCreated: 1,
    throughput: 12.5,
  })
})

it('writes Prometheus text: dots to _, _total once, milliseconds named, one HELP and TYPE for each', () => {
  const { recorder, clock } = makeRig()
  propose(recorder, clock, 7, 3)
  const text = prometheusText(seriesOf(recorder))
  const lines = text.trimEnd().split('\n')
  expect(text).toContain('consensus_proposals_total{consensus_node_id="n1",consensus_outcome="committed"} 3\n')
  expect(text).toContain('consensus_latency_milliseconds_bucket{consensus_node_id="n1",le="5"} 3\n')
  expect(text).toContain('consensus_latency_milliseconds_bucket{consensus_node_id="n1",le="2.5"} 0\n')
  expect(text).toContain('consensus_latency_milliseconds_bucket{consensus_node_id="n1",le="+Inf"} 3\n')
  expect(text).toContain('consensus_latency_milliseconds_sum{consensus_node_id="n1"} 15\n')
  expect(text).toContain('consensus_throughput{consensus_node_id="n1"} 12.5\n')
  expect(text).not.toMatch(/total_total|\.[a-z]+\{/)
  const sample = /^[a-zA-Z_:][a-zA-Z0-9_:]*\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+\} (?:-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/
  for (const line of lines) if (!line.startsWith('#')) expect(line).toMatch(sample)
  const types = lines.filter((line) => line.startsWith('# TYPE '))
  expect(new Set(types.map((line) => line.split(' ')[2])).size).toBe(types.length)
})

it('escapes what a label may not hold', () => {
  const { recorder } = makeRig()
  recorder.evidence('a "b"\\\n', null)
  expect(prometheusText(seriesOf(recorder))).toContain('consensus_evidence_kind="a \\"b\\"\\\\\\n"')
})

it('finds each reason not to be ready, with its numbers', () => {
  const vitals = { loopDelayMs: 0, pendingWriteMs: 0, isDiverged: false, isEpochChanging: false }
  const limits = { leaderSilenceMs: 600, applyLagEntries: 1000, loopDelayMs: 150, pendingWriteMs: 1000 }
  const reasons = (facts = factsOf(), more: Partial<typeof vitals> = {}): NotReady['reason'][] =>
    notReadyReasons(facts, { ...vitals, ...more }, limits).map(({ reason }) => reason)
  expect(reasons()).toEqual([])
  expect(reasons(factsOf({}, { leader: null, role: 'follower' }))).toEqual(['no_leader'])
  expect(reasons(factsOf({ leaderSilenceMs: 601 }))).toEqual(['no_leader'])
  expect(reasons(factsOf({ leaderSilenceMs: 601 }, { mode: 'pbft' }))).toEqual([])
  expect(reasons(factsOf({}, { commitIndex: logIndex(1011) }))).toEqual(['apply_lag'])
  expect(reasons(factsOf(), { loopDelayMs: 151 })).toEqual(['loop_delay'])
  expect(reasons(factsOf(), { pendingWriteMs: 1001 })).toEqual(['stalled_disk'])
  expect(reasons(factsOf(), { isDiverged: true })).toEqual(['diverged'])
  expect(reasons(factsOf({}, { mayVote: false }))).toEqual(['damaged'])
  expect(reasons(factsOf({ restoring: true }))).toEqual(['restoring'])
  expect(reasons(factsOf(), { isEpochChanging: true })).toEqual(['epoch_change'])
  expect(notReadyReasons(factsOf({ leaderSilenceMs: 700 }), vitals, limits)[0]?.numbers).toEqual({
    silenceMs: 700,
    limitMs: 600,
  })
})

it('places values and quantiles in the right buckets', () => {
  const histogram = new BucketHistogram(LATENCY_BOUNDS_MS)
  expect(histogram.quantile(0.99)).toBe(0)
  for (const value of [0.1, 0.11, 1, 20_000]) histogram.record(value)
  const { counts } = histogram.value
  expect([counts[0], counts[1], counts[3], counts.at(-1)]).toEqual([1, 1, 1, 1])
  expect(histogram.quantile(1)).toBe(20_000)
  const even = new BucketHistogram([10, 20])
  for (let value = 1; value <= 20; value++) even.record(value)
  expect(even.quantile(0.5)).toBeCloseTo(10, 0)
  expect(even.quantile(0.99)).toBeCloseTo(19.8, 1)
})

it('takes the throughput from the last ten seconds', () => {
  const throughput = new Throughput()
  expect(throughput.perSecond).toBe(0)
  for (let second = 0; second <= 20; second++) throughput.sample(second < 10 ? 0 : (second - 10) * 50, second * 1000)
  expect(throughput.perSecond).toBe(50)
  throughput.sample(0, 21_000)
  expect(throughput.perSecond).toBe(0)
})

it('loads the SDK for the standard variables alone', () => {
  expect(otelSettings({})).toBeNull()
  expect(otelSettings({ OTEL_SERVICE_NAME: 'x' })).toBeNull()
  expect(otelSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x' })).toEqual({ traces: true, metrics: true })
  expect(otelSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_TRACES_EXPORTER: 'none' })).toEqual({
    traces: false,
    metrics: true,
  })
  expect(otelSettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://x' })).toEqual({ traces: true, metrics: false })
  expect(otelSettings({ OTEL_METRICS_EXPORTER: 'otlp' })).toEqual({ traces: false, metrics: true })
  expect(otelSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_SDK_DISABLED: 'true' })).toBeNull()
})

it('knows a trace context from other text', () => {
  expect(isTraceParent(CLIENT_TRACE)).toBe(true)
  for (const text of ['', 'x', CLIENT_TRACE.toUpperCase(), `${CLIENT_TRACE}0`, CLIENT_TRACE.replaceAll('c', '0')])
    expect(isTraceParent(text)).toBe(false)
})
