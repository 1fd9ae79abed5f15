/**
 * `npm run bench:telemetry`: what telemetry costs. Three clusters take turns: `off` as a user starts it,
 * `empty` from a copy of the build in which the telemetry of a node is replaced by functions that do
 * nothing, and `sampled` with every hundredth trace and all metrics exported to a receiver here. Prints
 * the medians and what share of `empty` the others reach.
 *
 *   npm run bench:telemetry -- --pairs 10 --clients 64 --duration 5 [--out FILE]
 */
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { optionsOf } from '../options.js'
import { type Contender, ROOT, startKnhk } from './contenders.js'
import { median } from './median.js'

const GOALS: Readonly<Record<string, number>> = { off: 0.98, sampled: 0.97 }

/** Stands in for dist/src/telemetry/node-telemetry.js: the same class, empty. */
const EMPTY_TELEMETRY = `
import { NO_OBSERVER } from './observer.js'
export class NodeTelemetry {
  observer = NO_OBSERVER
  httpUrl = null
  notReady = []
  constructor({ logger }) { this.logger = logger }
  metrics() { return {} }
  async attach() {}
  async listen() {}
  async stop() {}
}
`

/** Copies the build and empties it of telemetry. */
function makeEmptyBuild(): string {
  const root = mkdtempSync(join(tmpdir(), 'knhk-empty-'))
  for (const name of ['bin', 'dist', 'package.json', 'oclif.manifest.json']) {
    cpSync(join(ROOT, name), join(root, name), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  writeFileSync(join(root, 'dist', 'src', 'telemetry', 'node-telemetry.js'), EMPTY_TELEMETRY)
  return root
}

interface Receiver {
  readonly url: string
  readonly requests: () => number
  close(): void
}

/** Takes everything and keeps nothing. */
async function startReceiver(): Promise<Receiver> {
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    request.resume()
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, requests: () => requests, close: () => server.closeAllConnections() }
}

const values = optionsOf('npm run bench:telemetry -- [--pairs N] [--clients N] [--duration SECONDS] [--out FILE]', {
  pairs: { type: 'string', default: '10' },
  clients: { type: 'string', default: '64' },
  duration: { type: 'string', default: '5' },
  out: { type: 'string' },
})
const emptyRoot = makeEmptyBuild()
const receiver = await startReceiver()
const sampling = {
  OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
  OTEL_TRACES_SAMPLER_ARG: '0.01',
}
const contenders: Contender[] = []
const runs = new Map<string, number[]>()
try {
  contenders.push(await startKnhk('empty', { root: emptyRoot, env: {} }))
  contenders.push(await startKnhk('off'))
  contenders.push(await startKnhk('sampled', { root: ROOT, env: sampling }))
  for (let pair = 0; pair < Number(values.pairs); pair++) {
    // Who comes first changes, so that nobody always runs behind the same one.
    const order = pair % 2 === 0 ? contenders : [...contenders].reverse()
    for (const { name, run } of order) {
      const { opsPerSecond } = await run(Number(values.clients), Number(values.duration))
      runs.set(name, [...(runs.get(name) ?? []), opsPerSecond])
      process.stderr.write(`${pair + 1}/${values.pairs} ${name}: ${Math.round(opsPerSecond)} ops/s\n`)
    }
  }
} finally {
  for (const contender of contenders) await contender.stop()
  receiver.close()
  rmSync(emptyRoot, { recursive: true, force: true })
}
const reference = median(runs.get('empty') ?? [])
const rows = [...runs].map(([name, figures]) => {
  const opsPerSecond = median(figures)
  return { name, opsPerSecond, ofEmpty: opsPerSecond / reference, goal: GOALS[name] ?? null, runs: figures }
})
for (const { name, opsPerSecond, ofEmpty, goal } of rows) {
  const target = goal === null ? '' : ` (goal ${goal})`
  process.stdout.write(`${name.padEnd(8)} ${Math.round(opsPerSecond)} ops/s, ${ofEmpty.toFixed(3)} of empty${target}\n`)
}
process.stdout.write(`exports received: ${receiver.requests()}\n`)
if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(rows, null, 2)}\n`)
process.exit()
