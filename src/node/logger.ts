/**
 * Structured log lines, written asynchronously through a bounded buffer: a blocked terminal or pipe
 * loses lines, it never holds the loop (etcd #22214 lost its reads to a blocked stderr).
 */
import { destination, pino } from 'pino'
import type { Logger, LogLevel } from './ports.js'

const BUFFER_BYTES_MAX = 4 << 20

/** Writes NDJSON to a file descriptor. `flush` is for the last words before an exit. */
export function createLogger(options: {
  readonly fd: number
  readonly node: string
  readonly level: LogLevel
}): Logger & { flush: () => void } {
  const sink = destination({ fd: options.fd, sync: false, maxLength: BUFFER_BYTES_MAX })
  const logger = pino(
    {
      level: options.level,
      base: { node: options.node },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'event',
    },
    sink,
  )
  return {
    log: (level, event, fields) => logger[level](fields ?? {}, event),
    flush: () => {
      try {
        sink.flushSync()
      } catch {
        // The descriptor is blocked or gone: nobody reads these lines.
      }
    },
  }
}
