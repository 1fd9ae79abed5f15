/**
 * Whether the environment asks for OpenTelemetry, by the standard variables alone: without one of them
 * the SDK is never loaded. Reference: OpenTelemetry environment variable specification.
 */
export interface OtelSettings {
  readonly traces: boolean
  readonly metrics: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

/** Null where nothing is asked for, or OTEL_SDK_DISABLED says no. */
export function otelSettings(environment: Environment): OtelSettings | null {
  if (environment.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return null
  const traces = wanted(environment, 'TRACES')
  const metrics = wanted(environment, 'METRICS')
  return traces || metrics ? { traces, metrics } : null
}

/** An exporter that is named decides; otherwise an endpoint does. */
function wanted(environment: Environment, signal: 'TRACES' | 'METRICS'): boolean {
  const exporter = environment[`OTEL_${signal}_EXPORTER`]?.trim() ?? ''
  if (exporter !== '') return exporter.split(',').some((name) => name.trim() === 'otlp')
  const endpoints = [environment.OTEL_EXPORTER_OTLP_ENDPOINT, environment[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`]]
  return endpoints.some((endpoint) => endpoint !== undefined && endpoint.trim() !== '')
}
