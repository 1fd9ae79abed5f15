/** `knhk bench`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, clusterFlags } from '../src/terminal/cluster-command.js'
import {
  countFlag,
  countFlagWithDefault,
  durationFlag,
  optionalDurationFlag,
  shareFlag,
} from '../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../src/terminal/operation-report.js'
import * as schema from '../src/terminal/schema.js'

/** Of the measured time, before it. */
const WARMUP_SHARE = 5
const WARMUP_MAX_MS = 1_000

export default class Bench extends ClusterCommand {
  static override summary = 'Measure throughput and latency of the cluster with real operations.'
  static override description =
    `Each client keeps --pipeline requests of --batch operations under way; with --batch 1 every operation is a request
with a sequence number and an answer of its own. With --rate the operations start at fixed times and latency counts
from there. --history writes every operation with its times (NDJSON), for a linearizability check.`
  static override examples = [
    '<%= config.bin %> bench --clients 64 --duration 10',
    '<%= config.bin %> bench --clients 16 --rate 2000 --read-share 0.5 --json',
  ]
  static override impact = 'write' as const
  static override idempotent = false
  static override exitCodes = READ_EXIT_CODES
  static override schema = schema.record({
    opsPerSecond: schema.number,
    latencyMs: schema.record({ p50: schema.number, p90: schema.number, p99: schema.number, max: schema.number }),
    errors: schema.integer,
    operations: schema.integer,
    clients: schema.integer,
    pipeline: schema.integer,
    batch: schema.integer,
    valueSize: schema.integer,
    readShare: schema.number,
    keys: schema.integer,
    connections: schema.integer,
    rate: schema.nullable(schema.number),
    durationSeconds: schema.number,
    backlog: schema.integer,
    histogram: schema.list(schema.list(schema.number)),
  })
  static override baseFlags = clusterFlags
  static override flags = {
    clients: countFlagWithDefault('Clients, each with a session of its own.', 1, 10_000, 1),
    pipeline: countFlagWithDefault('Requests that a client keeps under way.', 1, 1_024, 1),
    batch: countFlagWithDefault('Operations per request.', 1, 10_000, 1),
    duration: durationFlag('How long to measure.', 10_000),
    warmup: optionalDurationFlag('How long to run before measuring; a fifth of --duration, at most 1s, if absent.'),
    'value-size': countFlagWithDefault('Bytes per value.', 1, 1_000_000, 128),
    'read-share': shareFlag('Share of linearizable reads, 0 to 1.', 0),
    rate: countFlag('Operations per second to offer; as fast as they are answered if absent.', 1, 10_000_000),
    keys: countFlagWithDefault('Distinct keys.', 1, 10_000_000, 10_000),
    connections: countFlagWithDefault('TLS connections that the clients share.', 1, 1_024, 1),
    history: Flags.string({ summary: 'Write every operation to this file.', helpValue: 'FILE' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Bench)
    const { benchOutput, measure, progressText } = await import('../src/terminal/bench/measure.js')
    const progress = await this.progress('warming up')
    const text = progressText(flags.duration)
    const report = await measure({
      choice: this.targetChoice(flags),
      target: this.session?.connection.target ?? null,
      run: {
        clients: flags.clients,
        pipeline: flags.pipeline,
        batch: flags.batch,
        durationMs: flags.duration,
        warmupMs: flags.warmup ?? Math.min(WARMUP_MAX_MS, flags.duration / WARMUP_SHARE),
        valueSize: flags['value-size'],
        readShare: flags['read-share'],
        keys: flags.keys,
        connections: Math.min(flags.connections, flags.clients),
        signal: this.signal,
        onProgress: (done, elapsedMs) => progress.update(text(done, elapsedMs)),
        ...(flags.rate === undefined ? {} : { rate: flags.rate }),
        ...(flags.history === undefined ? {} : { historyFile: flags.history }),
      },
    }).finally(() => progress.stop())
    this.signal.throwIfAborted()
    await this.print(benchOutput(report))
  }
}
