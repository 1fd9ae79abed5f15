/**
 * The telemetry of one production node: the observer that its loop tells, the HTTP port, and where the
 * environment asks for it the OpenTelemetry SDK. Made before the loop and attached to it once it runs.
 */
import type { Millis, NodeId, ProtocolName } from '../consensus/types.js'
import type { Logger, LogLevel } from '../node/ports.js'
import { collectSeries } from './collect.js'
import { type ConsensusMetrics, consensusMetrics } from './consensus-metrics.js'
import type { NodeFacts } from './facts.js'
import { type RunningHttp, startHttp } from './http-server.js'
import { LoopDelay } from './loop-delay.js'
import type { Observer } from './observer.js'
import type { Otel } from './otel.js'
import { prometheusText } from './prometheus.js'
import { type NotReady, notReadyReasons, READINESS_LIMITS, type ReadinessLimits } from './readiness.js'
import { NodeRecorder } from './recorder.js'
import type { Series } from './series.js'
import { otelSettings } from './settings.js'
import { SpanRecorder } from './span-recorder.js'
import type { TraceLinks } from './spans.js'
import { Throughput } from './throughput.js'

const SAMPLE_MS = 1000

/** The longest the loop may be held up without being noticed, and how long a leader may be silent. */
export interface TelemetryTimes {
  readonly electionTimeoutMinMs: Millis
  readonly electionTimeoutMaxMs: Millis
}

export interface NodeTelemetryOptions extends TelemetryTimes {
  readonly nodeId: NodeId
  /** As a UUID. */
  readonly clusterId: string
  readonly protocol: ProtocolName
  readonly version: string
  readonly nowMs: () => Millis
  readonly logger: Logger
}

/** The running node, as telemetry sees it. */
export interface TelemetrySource {
  readonly facts: () => NodeFacts
  /** For `/status`: plain data. */
  readonly status: () => Readonly<Record<string, unknown>>
  readonly traceLinks: TraceLinks
}

export class NodeTelemetry {
  readonly observer: Observer
  readonly #options: NodeTelemetryOptions
  readonly #recorder: NodeRecorder
  readonly #loopDelay: LoopDelay
  readonly #throughput = new Throughput()
  readonly #limits: ReadinessLimits
  #source: TelemetrySource | null = null
  #spans: SpanRecorder | null = null
  #http: RunningHttp | null = null
  #otel: Otel | null = null
  #sampler: NodeJS.Timeout | null = null

  constructor(options: NodeTelemetryOptions) {
    const { nowMs, electionTimeoutMinMs, electionTimeoutMaxMs } = options
    this.#options = options
    this.#recorder = new NodeRecorder(nowMs)
    this.observer = this.#recorder
    this.#loopDelay = new LoopDelay(nowMs)
    this.#limits = {
      ...READINESS_LIMITS,
      leaderSilenceMs: 2 * electionTimeoutMaxMs,
      loopDelayMs: electionTimeoutMinMs,
    }
  }

  /** The logger for the loop: lines that belong to a trace carry its ids. */
  get logger(): Logger {
    const { logger } = this.#options
    return {
      log: (level: LogLevel, event, fields) => {
        const ids = this.#spans?.idsFor(event) ?? null
        const traced = ids === null ? fields : { ...fields, trace_id: ids.traceId, span_id: ids.spanId }
        logger.log(level, event, traced)
      },
    }
  }

  /** Where HTTP listens, `http://host:port`; null where it does not. */
  get httpUrl(): string | null {
    return this.#http?.url ?? null
  }

  get notReady(): readonly NotReady[] {
    const source = this.#source
    return source === null ? [] : this.#reasons(source.facts())
  }

  metrics(): ConsensusMetrics {
    return consensusMetrics(this.#recorder, this.#throughput.perSecond)
  }

  /** Begins to watch a node, before it takes part. Loads the SDK only where `environment` asks for it. */
  async attach(source: TelemetrySource, environment: NodeJS.ProcessEnv): Promise<void> {
    this.#source = source
    this.#loopDelay.start()
    const sample = () => this.#throughput.sample(source.facts().operationsApplied, this.#options.nowMs())
    sample()
    this.#sampler = setInterval(sample, SAMPLE_MS)
    this.#sampler.unref()
    const settings = otelSettings(environment)
    if (settings === null) return
    const { startOtel } = await import('./otel.js')
    const { nodeId, clusterId, version, protocol, nowMs, logger } = this.#options
    this.#otel = startOtel({
      settings,
      version,
      environment,
      instance: `${clusterId}/${nodeId}`,
      collect: () => this.#collect(source),
    })
    logger.log('info', 'telemetry is exported', { traces: settings.traces, metrics: settings.metrics })
    const { sink } = this.#otel
    if (sink === null) return
    const position = () => source.facts().status
    this.#spans = new SpanRecorder({ nodeId, protocol, nowMs, position, sink, links: source.traceLinks })
    this.#recorder.traceWith(this.#spans)
  }

  /** Opens the HTTP port on a node that is attached; with null there is none. */
  async listen(address: { readonly host: string; readonly port: number } | null): Promise<void> {
    const source = this.#source
    if (source === null || address === null) return
    const { nowMs, logger } = this.#options
    this.#http = await startHttp({
      ...address,
      nowMs,
      logger,
      pages: {
        metrics: () => prometheusText(this.#collect(source)),
        notReady: () => this.#reasons(source.facts()),
        status: source.status,
      },
    })
  }

  async stop(): Promise<void> {
    this.#loopDelay.stop()
    if (this.#sampler !== null) clearInterval(this.#sampler)
    await this.#http?.close()
    await this.#otel?.stop()
  }

  #reasons(facts: NodeFacts): NotReady[] {
    const { isDiverged, isEpochChanging } = this.#recorder
    const pendingWriteMs = this.#recorder.pendingWriteMs(this.#options.nowMs())
    const vitals = { loopDelayMs: this.#loopDelay.worstMs, pendingWriteMs, isDiverged, isEpochChanging }
    return notReadyReasons(facts, vitals, this.#limits)
  }

  #collect(source: TelemetrySource): Series[] {
    const facts = source.facts()
    return collectSeries({
      nodeId: this.#options.nodeId,
      facts,
      recorder: this.#recorder,
      loopDelay: this.#loopDelay,
      notReady: this.#reasons(facts),
      throughput: this.#throughput.perSecond,
      nowMs: this.#options.nowMs(),
    })
  }
}
