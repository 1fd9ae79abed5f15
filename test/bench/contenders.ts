/**
 * What is compared: knhk as a user starts it, the ceiling program, and etcd; and the Byzantine protocols
 * of knhk. Each is a cluster of real processes that stays up as long as its group is measured.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export interface Figure {
  readonly opsPerSecond: number
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number }
}

export interface Contender {
  readonly name: string
  run(clients: number, seconds: number): Promise<Figure>
  stop(): Promise<void>
}

// This file runs as dist/test/bench/contenders.js.
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')

const OWN_PROGRAM: LocalProgram = { root: ROOT, env: {} }

function binOf(root: string): string {
  return join(root, 'bin', 'run.js')
}

export async function makeContenders(wanted: (name: string) => boolean): Promise<Contender[]> {
  const contenders: Contender[] = []
  if (wanted('knhk')) contenders.push(await startKnhk())
  if (wanted('ceiling')) contenders.push(ceiling())
  if (wanted('etcd')) {
    const etcd = await startEtcd()
    if (etcd !== null) contenders.push(etcd)
  }
  return contenders
}

/** Operations per request of the contenders that batch. */
const BATCH = 64

/** Name and cluster: where one of four may lie, and plain Raft with as many nodes to compare. */
const FOUR_NODES: readonly (readonly [name: string, shape: LocalShape])[] = [
  ['raft', { protocol: 'raft', nodes: 4 }],
  ['hybrid', { protocol: 'hybrid', nodes: 4 }],
  ['pbft', { protocol: 'pbft', nodes: 4 }],
  ['hotstuff', { protocol: 'hotstuff', nodes: 4 }],
  ['hotstuff2', { protocol: 'hotstuff', nodes: 4, settings: ['--commit-rule', '2'] }],
]

/** Each with every operation in a request of its own, which the Byzantine protocols sign, and in batches. */
export async function makeByzantine(wanted: (name: string) => boolean): Promise<Contender[]> {
  const contenders: Contender[] = []
  for (const [protocol, shape] of FOUR_NODES) {
    const shapes = [
      { name: protocol, batch: 1 },
      { name: `${protocol}-${BATCH}`, batch: BATCH },
    ].filter(({ name }) => wanted(name))
    if (shapes.length === 0) continue
    const cluster = await startLocal(OWN_PROGRAM, shape)
    for (const [at, { name, batch }] of shapes.entries()) {
      const stop = at === 0 ? cluster.stop : async () => {}
      contenders.push({ name, run: (clients, seconds) => bench(ROOT, cluster, { clients, seconds, batch }), stop })
    }
  }
  return contenders
}

export interface LocalCluster {
  readonly directory: string
  readonly env: NodeJS.ProcessEnv
  nodes(): Promise<readonly { readonly id: string; readonly pid: number }[]>
  /** Starts what does not run. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Which program runs, and with what in its environment. */
export interface LocalProgram {
  /** Holds bin/ and dist/. */
  readonly root: string
  readonly env: NodeJS.ProcessEnv
}

interface LocalShape {
  readonly protocol: 'raft' | 'hybrid' | 'pbft' | 'hotstuff'
  readonly nodes: number
  /** Flags of `cluster init` that `up` has not. */
  readonly settings?: readonly string[]
}

const PLAIN_RAFT: LocalShape = { protocol: 'raft', nodes: 3 }

/** A cluster as `knhk up` starts it, in a temporary directory: three nodes of plain Raft unless said otherwise. */
export async function startLocal(
  { root, env: given }: LocalProgram = OWN_PROGRAM,
  { protocol, nodes: count, settings = [] }: LocalShape = PLAIN_RAFT,
): Promise<LocalCluster> {
  const bin = binOf(root)
  const base = mkdtempSync(join(tmpdir(), 'knhk-bench-'))
  const directory = join(base, 'cluster')
  const env = { ...process.env, ...given, KNHK_CONFIG_HOME: join(base, 'config') }
  const flags = ['--protocol', protocol, '--nodes', String(count), '--dir', directory]
  if (settings.length > 0) await execute(process.execPath, [bin, 'cluster', 'init', ...flags, ...settings], { env })
  const up = async () => {
    const { stdout } = await execute(process.execPath, [bin, 'up', ...flags, '--detach', '--json'], { env })
    return (JSON.parse(stdout) as { nodes: { id: string; pid: number }[] }).nodes
  }
  let nodes = await up()
  return {
    directory,
    env,
    nodes: async () => nodes,
    restart: async () => {
      nodes = await up()
    },
    stop: async () => {
      await execute(process.execPath, [bin, 'down', '--dir', directory], { env })
      rmSync(base, { recursive: true, force: true })
    },
  }
}

export async function startKnhk(name = 'knhk', program = OWN_PROGRAM): Promise<Contender> {
  const cluster = await startLocal(program)
  return {
    name,
    run: (clients, seconds) => bench(program.root, cluster, { clients, seconds, batch: 1 }),
    stop: cluster.stop,
  }
}

async function bench(
  root: string,
  { directory, env }: LocalCluster,
  { clients, seconds, batch }: { readonly clients: number; readonly seconds: number; readonly batch: number },
): Promise<Figure> {
  const shape = ['--clients', String(clients), '--batch', String(batch), '--duration', String(seconds)]
  const args = [binOf(root), 'bench', '--dir', directory, ...shape, '--value-size', '256', '--json']
  const { stdout } = await execute(process.execPath, args, { env, maxBuffer: 64 << 20 })
  return JSON.parse(stdout) as Figure
}

function ceiling(): Contender {
  return {
    name: 'ceiling',
    async run(clients, seconds) {
      const program = join(ROOT, 'dist', 'test', 'bench', 'ceiling.js')
      const { stdout } = await execute(process.execPath, [
        program,
        '--clients',
        String(clients),
        '--duration',
        String(seconds),
      ])
      return JSON.parse(stdout) as Figure
    },
    async stop() {},
  }
}

async function startEtcd(): Promise<Contender | null> {
  const base = mkdtempSync(join(tmpdir(), 'knhk-etcd-'))
  const program = join(base, 'etcdbench')
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' })
    execFileSync('go', ['build', '-o', program, join(ROOT, 'test', 'bench', 'etcd', 'main.go')], {
      env: { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '' },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  } catch {
    process.stderr.write(
      'etcd is left out: it needs etcd, go and the Go client (Debian: etcd-server golang-go golang-etcd-server-dev)\n',
    )
    rmSync(base, { recursive: true, force: true })
    return null
  }
  const members = await Promise.all(
    [1, 2, 3].map(async (n) => ({ name: `m${n}`, client: await freePort(), peer: await freePort() })),
  )
  const cluster = members.map((member) => `${member.name}=http://127.0.0.1:${member.peer}`).join(',')
  const children: ChildProcess[] = members.map((member) =>
    spawn(
      'etcd',
      [
        ...['--name', member.name, '--data-dir', join(base, member.name), '--log-level', 'error'],
        ...[
          '--listen-client-urls',
          `http://127.0.0.1:${member.client}`,
          '--advertise-client-urls',
          `http://127.0.0.1:${member.client}`,
        ],
        ...[
          '--listen-peer-urls',
          `http://127.0.0.1:${member.peer}`,
          '--initial-advertise-peer-urls',
          `http://127.0.0.1:${member.peer}`,
        ],
        ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
      ],
      { stdio: 'ignore' },
    ),
  )
  const endpoints = members.map((member) => `127.0.0.1:${member.client}`).join(',')
  await new Promise((resolve) => setTimeout(resolve, 3000))
  return {
    name: 'etcd',
    async run(clients, seconds) {
      const args = ['-endpoints', endpoints, '-clients', String(clients), '-duration', String(seconds)]
      const { stdout } = await execute(program, args)
      return JSON.parse(stdout) as Figure
    },
    async stop() {
      for (const child of children) child.kill('SIGKILL')
      rmSync(base, { recursive: true, force: true })
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
