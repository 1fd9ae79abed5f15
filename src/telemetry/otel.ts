/**
 * The OpenTelemetry SDK behind the recorder: spans by its tracer with the sampler of OTEL_TRACES_SAMPLER,
 * metrics by its reader, which is handed the figures that were counted anyway, both by OTLP over HTTP.
 * Imported only where the environment asks for it (settings.ts). Everything the exporters do, they do
 * behind the loop: a collector that is slow or gone costs spans, never a proposal.
 */
import {
  type Context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
  ValueType,
} from '@opentelemetry/api'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  defaultResource,
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import {
  AggregationTemporality,
  type CollectionResult,
  DataPointType,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { Millis } from '../consensus/types.js'
import type { HistogramValue } from './histogram.js'
import type { SpanName } from './names.js'
import type { Point, Series } from './series.js'
import type { OtelSettings } from './settings.js'
import type { OpenSpan, SpanSink, TraceParent } from './spans.js'

const SCOPE = 'knhk'
const DEFAULT_INTERVAL_MS = 60_000
const SHUTDOWN_MS = 2000

export interface OtelOptions {
  readonly settings: OtelSettings
  readonly version: string
  /** Cluster id and node id. */
  readonly instance: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly collect: () => readonly Series[]
}

export interface Otel {
  /** Null where only metrics are exported. */
  readonly sink: SpanSink | null
  /** Sends what is left; gives up after two seconds. */
  stop(): Promise<void>
}

export function startOtel(options: OtelOptions): Otel {
  const { settings, version } = options
  const resource = makeResource(options)
  const tracers = settings.traces
    ? new NodeTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] })
    : null
  const meters = settings.metrics ? makeMeters(options, resource) : null
  return {
    sink: tracers === null ? null : new OtelSink(tracers.getTracer(SCOPE, version)),
    stop: async () => {
      const stopped = Promise.allSettled([tracers?.shutdown(), meters?.shutdown()])
      const waited = new Promise<void>((resolve) => void setTimeout(resolve, SHUTDOWN_MS).unref())
      await Promise.race([stopped, waited])
    },
  }
}

/** Only what registry/ declares, and what the operator adds by OTEL_RESOURCE_ATTRIBUTES. */
function makeResource({ version, instance, environment }: OtelOptions): Resource {
  const sdk = Object.entries(defaultResource().attributes).filter(([name]) => name.startsWith('telemetry.sdk.'))
  const own = resourceFromAttributes({
    ...Object.fromEntries(sdk),
    'service.name': environment.OTEL_SERVICE_NAME ?? 'knhk',
    'service.version': version,
    'service.instance.id': instance,
  })
  return own.merge(detectResources({ detectors: [envDetector] }))
}

function makeMeters({ version, environment, collect }: OtelOptions, resource: Resource): MeterProvider {
  const given = Number(environment.OTEL_METRIC_EXPORT_INTERVAL)
  const intervalMs = Number.isSafeInteger(given) && given > 0 ? given : DEFAULT_INTERVAL_MS
  const startMs = Date.now()
  const produce = async (): Promise<CollectionResult> => {
    const times = { startTime: hrTime(startMs), endTime: hrTime(Date.now()) }
    const metrics = collect().map((series) => metricData(series, times))
    return { resourceMetrics: { resource, scopeMetrics: [{ scope: { name: SCOPE, version }, metrics }] }, errors: [] }
  }
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(),
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: Math.min(intervalMs, 10_000),
    metricProducers: [{ collect: produce }],
  })
  return new MeterProvider({ resource, readers: [reader] })
}

class OtelSink implements SpanSink {
  readonly #tracer: Tracer

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  begin<Name extends SpanName>(name: Name, startMs: Millis, parents: readonly TraceParent[]): OpenSpan<Name> | null {
    const contexts = parents.map(spanContext)
    const [parent] = contexts
    const context: Context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent)
    const links = contexts.slice(1).map((linked) => ({ context: linked }))
    const span = this.#tracer.startSpan(name, { kind: SpanKind.INTERNAL, startTime: startMs, links }, context)
    if (!span.isRecording()) return null
    const { traceId, spanId, traceFlags } = span.spanContext()
    return {
      traceId,
      spanId,
      traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
      end: (attributes, endMs, failed = false) => {
        span.setAttributes({ ...attributes })
        if (failed) span.setStatus({ code: SpanStatusCode.ERROR })
        span.end(endMs)
      },
    }
  }
}

function spanContext(traceparent: TraceParent) {
  const [, traceId = '', spanId = '', flags = '00'] = traceparent.split('-')
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true }
}

interface Times {
  readonly startTime: [number, number]
  readonly endTime: [number, number]
}

function metricData({ name, instrument, unit, brief, points }: Series, times: Times): MetricData {
  const descriptor = { name, description: brief, unit, valueType: ValueType.DOUBLE }
  const aggregationTemporality = AggregationTemporality.CUMULATIVE
  const at = ({ attributes }: Point) => ({ ...times, attributes: { ...attributes } })
  if (instrument === 'histogram') {
    const dataPoints = points.map((point) => ({ ...at(point), value: histogramOf(point.value as HistogramValue) }))
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints }
  }
  const dataPoints = points.map((point) => ({ ...at(point), value: point.value as number }))
  return instrument === 'counter'
    ? { descriptor, aggregationTemporality, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
    : { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints }
}

function histogramOf({ bounds, counts, count, sum, min, max }: HistogramValue) {
  return { buckets: { boundaries: [...bounds], counts: [...counts] }, count, sum, min, max }
}

function hrTime(wallMs: Millis): [number, number] {
  const seconds = Math.trunc(wallMs / 1000)
  return [seconds, Math.round((wallMs - seconds * 1000) * 1e6)]
}
