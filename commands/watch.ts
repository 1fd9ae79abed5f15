/** `knhk watch`. */
import { ClusterCommand, clusterFlags } from '../src/terminal/cluster-command.js'
import { countFlag, durationFlag } from '../src/terminal/flags.js'
import { READ_EXIT_CODES } from '../src/terminal/operation-report.js'
import * as schema from '../src/terminal/schema.js'
import { SAMPLE_SCHEMA } from '../src/terminal/watch/sample.js'

const INTERVAL_MS = 1_000
/** With --json there is one document, so there has to be an end. */
const JSON_COUNT = 1
const COUNT_MAX = 100_000

export default class Watch extends ClusterCommand {
  static override summary = 'Watch the cluster: nodes, throughput, latency, threat level and what happens.'
  static override description =
    `On a terminal it redraws one screen until q or Ctrl-C. Without one it prints a line per look, and a line for every
event. --output ndjson prints a record per look; --json one document of --count looks, by default one.`
  static override examples = [
    '<%= config.bin %> watch --dir ./demo',
    '<%= config.bin %> watch --interval 500ms --count 10 --output ndjson',
  ]
  static override exitCodes = READ_EXIT_CODES
  static override schema = schema.record({ samples: schema.list(SAMPLE_SCHEMA) })
  static override baseFlags = clusterFlags
  static override flags = {
    interval: durationFlag('Time between two looks.', INTERVAL_MS),
    count: countFlag('How many looks; until somebody ends it if absent.', 1, COUNT_MAX),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Watch)
    const { client, target } = await this.connect(flags)
    const { watchCluster, watchFullScreen } = await import('../src/terminal/watch/watch.js')
    const common = { client, intervalMs: flags.interval, timeoutMs: flags.timeout, signal: this.signal }
    const count = flags.count ?? null
    if (this.format === 'table' && process.stdout.isTTY === true) {
      const readKeys = process.stdin.isTTY === true && this.session === null
      const paint = this.paintFor(process.stdout)
      const end = await watchFullScreen({ ...common, count, name: target.name, paint, readKeys })
      if (end === 'interrupted' && this.session === null) this.endWith(130)
      return
    }
    const [{ sampleJson }, { eventLine, sampleLine }] = await Promise.all([
      import('../src/terminal/watch/sample.js'),
      import('../src/terminal/watch/view.js'),
    ])
    if (this.format === 'table' || this.format === 'ndjson') {
      const isTable = this.format === 'table'
      const watching = watchCluster({
        ...common,
        count,
        onSample: async (sample) => {
          const events = sample.events.map((text) => `${eventLine({ atMs: sample.atMs, text })}\n`)
          const text = isTable ? `${events.join('')}${sampleLine(sample)}` : JSON.stringify(sampleJson(sample))
          await this.write(`${text}\n`)
        },
      })
      await this.untilInterrupted(watching)
      return
    }
    const samples: ReturnType<typeof sampleJson>[] = []
    await watchCluster({
      ...common,
      count: count ?? JSON_COUNT,
      onSample: (sample) => void samples.push(sampleJson(sample)),
    })
    await this.print({ value: { samples }, ids: samples.map((sample) => String(sample.atMs)), text: () => '' })
  }
}
