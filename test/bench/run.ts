/**
 * `npm run bench`: ours, the ceiling of the machine and etcd, interleaved in one run, so that a slow
 * minute of the machine hits all three. Prints medians and ratios, and writes the raw figures as JSON.
 *
 *   npm run bench -- --clients 1,64,256 --repeats 5 --duration 5 [--only knhk,ceiling,etcd] [--out FILE]
 *
 * etcd is Debian's `etcd-server` as three local members, driven by the Go client of `test/bench/etcd`;
 * where etcd or Go is missing it says so and goes on.
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { type Contender, type Figure, makeContenders } from './contenders.js'
import { median } from './median.js'

interface Row {
  readonly contender: string
  readonly clients: number
  readonly opsPerSecond: number
  readonly p50: number
  readonly p99: number
  readonly runs: readonly Figure[]
}

async function measure(
  contenders: readonly Contender[],
  clients: number,
  repeats: number,
  seconds: number,
): Promise<Row[]> {
  const runs = new Map<string, Figure[]>(contenders.map((contender) => [contender.name, []]))
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const contender of contenders) {
      const figure = await contender.run(clients, seconds)
      runs.get(contender.name)?.push(figure)
      const { opsPerSecond, latencyMs } = figure
      process.stderr.write(
        `${contender.name} clients=${clients} run ${repeat + 1}/${repeats}: ${Math.round(opsPerSecond)} ops/s, p50 ${latencyMs.p50.toFixed(2)} ms, p99 ${latencyMs.p99.toFixed(2)} ms\n`,
      )
    }
  }
  return contenders.map((contender) => {
    const figures = runs.get(contender.name) ?? []
    return {
      contender: contender.name,
      clients,
      opsPerSecond: median(figures.map((figure) => figure.opsPerSecond)),
      p50: median(figures.map((figure) => figure.latencyMs.p50)),
      p99: median(figures.map((figure) => figure.latencyMs.p99)),
      runs: figures,
    }
  })
}

function print(rows: readonly Row[]): void {
  const machine = `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, Node.js ${process.version}`
  process.stdout.write(
    `\n${machine}; 3 nodes, TLS 1.3, fdatasync on a quorum, 256 B values, one operation per request\n\n`,
  )
  process.stdout.write('clients  contender      ops/s     p50 ms    p99 ms   of ceiling   against etcd\n')
  for (const row of rows) {
    const same = (name: string) => rows.find((other) => other.clients === row.clients && other.contender === name)
    const ratio = (other: Row | undefined) =>
      other === undefined ? '-' : (row.opsPerSecond / other.opsPerSecond).toFixed(2)
    process.stdout.write(
      `${String(row.clients).padStart(7)}  ${row.contender.padEnd(10)} ${Math.round(row.opsPerSecond).toString().padStart(9)} ${row.p50.toFixed(2).padStart(10)} ${row.p99.toFixed(2).padStart(9)} ${ratio(same('ceiling')).padStart(12)} ${ratio(same('etcd')).padStart(14)}\n`,
    )
  }
}

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '1,64,256' },
    repeats: { type: 'string', default: '5' },
    duration: { type: 'string', default: '5' },
    only: { type: 'string' },
    out: { type: 'string' },
  },
})
const wanted = values.only?.split(',')
const contenders = await makeContenders((name) => wanted === undefined || wanted.includes(name))
try {
  const rows: Row[] = []
  for (const clients of values.clients.split(',').map(Number)) {
    rows.push(...(await measure(contenders, clients, Number(values.repeats), Number(values.duration))))
  }
  print(rows)
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(rows, null, 2)}\n`)
} finally {
  for (const contender of contenders) await contender.stop()
}
