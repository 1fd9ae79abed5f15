/**
 * `npm run bench`: ours, the ceiling of the machine and etcd, interleaved in one run, so that a slow
 * minute of the machine hits all three; then those with four nodes, interleaved too. Prints medians and
 * ratios, and writes the raw figures as JSON.
 *
 *   npm run bench -- --clients 1,64,256 --repeats 5 --duration 5 [--only NAME,…] [--out FILE]
 *
 * Names are knhk, ceiling, etcd with three nodes; and with four raft, hybrid, pbft, hotstuff, hotstuff2 (with
 * `commitRule: 2`), each of these also with batches of 64, as raft-64. etcd is Debian's `etcd-server` as three local
 * members, driven by the Go client of `test/bench/etcd`; where etcd or Go is missing it says so and goes on.
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { optionsOf } from '../options.js'
import { type Contender, type Figure, makeByzantine, makeContenders } from './contenders.js'
import { median } from './median.js'

interface Row {
  readonly contender: string
  readonly clients: number
  readonly opsPerSecond: number
  readonly p50: number
  readonly p99: number
  readonly runs: readonly Figure[]
}

/** An anchor: it is not on the package registries, so its figure was measured once, on the machine of docs/performance.md. */
const BFT_SMART = {
  clients: 64,
  opsPerSecond: 3440,
  what: '3,440 ops/s at 64 clients, 4 replicas, 256 B, with MACs, without client signatures and without a disk',
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
  process.stdout.write('clients  contender      ops/s     p50 ms    p99 ms   of ceiling   against etcd\n')
  for (const row of rows) {
    const same = (name: string) => rows.find((other) => other.clients === row.clients && other.contender === name)
    const ratio = (other: Row | undefined) =>
      other === undefined ? '-' : (row.opsPerSecond / other.opsPerSecond).toFixed(2)
    process.stdout.write(`${common(row)} ${ratio(same('ceiling')).padStart(12)} ${ratio(same('etcd')).padStart(14)}\n`)
  }
}

function printByzantine(rows: readonly Row[]): void {
  process.stdout.write('clients  contender      ops/s     p50 ms    p99 ms     of raft   against BFT-SMaRt\n')
  for (const row of rows) {
    const raft = rows.find((other) => other.clients === row.clients && other.contender === plainOf(row.contender))
    const share = raft === undefined ? '-' : (row.opsPerSecond / raft.opsPerSecond).toFixed(2)
    const ratio = row.clients === BFT_SMART.clients ? (row.opsPerSecond / BFT_SMART.opsPerSecond).toFixed(2) : '-'
    process.stdout.write(`${common(row)} ${share.padStart(11)} ${ratio.padStart(19)}\n`)
  }
  process.stdout.write(`BFT-SMaRt is not run here: ${BFT_SMART.what}\n`)
}

/** Plain Raft with requests of the same size. */
function plainOf(contender: string): string {
  return contender.replace(/^[^-]+/, 'raft')
}

function common({ clients, contender, opsPerSecond, p50, p99 }: Row): string {
  return [
    String(clients).padStart(7),
    ` ${contender.padEnd(11)}`,
    Math.round(opsPerSecond).toString().padStart(8),
    p50.toFixed(2).padStart(10),
    p99.toFixed(2).padStart(9),
  ].join(' ')
}

interface Group {
  readonly what: string
  readonly make: (wanted: (name: string) => boolean) => Promise<Contender[]>
  readonly print: (rows: readonly Row[]) => void
}

/** One after the other: the nodes of one do not take the processor from the other. */
const GROUPS: readonly Group[] = [
  { what: '3 nodes, one operation per request', make: makeContenders, print },
  {
    what: '4 nodes, requests of 1 or 64 operations, signed by the client but for raft',
    make: makeByzantine,
    print: printByzantine,
  },
]

const values = optionsOf(
  'npm run bench -- [--clients 1,64,256] [--repeats N] [--duration SECONDS] [--only NAME,…] [--out FILE]',
  {
    clients: { type: 'string', default: '1,64,256' },
    repeats: { type: 'string', default: '5' },
    duration: { type: 'string', default: '5' },
    only: { type: 'string' },
    out: { type: 'string' },
  },
)
const wanted = values.only?.split(',')
const machine = `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, Node.js ${process.version}`
const all: Row[] = []
for (const group of GROUPS) {
  const contenders = await group.make((name) => wanted === undefined || wanted.includes(name))
  if (contenders.length === 0) continue
  try {
    const rows: Row[] = []
    for (const clients of values.clients.split(',').map(Number)) {
      rows.push(...(await measure(contenders, clients, Number(values.repeats), Number(values.duration))))
    }
    process.stdout.write(`\n${machine}; ${group.what}; TLS 1.3, fdatasync on a quorum, 256 B values\n\n`)
    group.print(rows)
    all.push(...rows)
  } finally {
    for (const contender of contenders) await contender.stop()
  }
}
if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(all, null, 2)}\n`)
