/**
 * The ceiling of the machine: a leader and two followers over TLS with the frames, one SHA-256 and
 * one synced write per batch that any replicated log needs, and nothing else: no consensus, no state,
 * no sessions. What share of it we reach is the figure that compares across machines.
 *
 * Run by `npm run bench`; alone: `node dist/test/bench/ceiling.js --clients 64 --duration 5`.
 * Roles are processes of their own: this file forks itself.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, fdatasync, mkdtempSync, openSync, readFileSync, rmSync, write, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { LatencyHistogram } from '../../src/client/latency-histogram.js'
import { generateKeyPair } from '../../src/crypto/keys.js'

const IN_FLIGHT_MAX = 4
const OPERATIONS_WARM_UP_MS = 1000

interface Options {
  readonly clients: number
  readonly connections: number
  readonly durationMs: number
  readonly valueSize: number
}

function onFrames(socket: tls.TLSSocket, take: (frame: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (bytes.length - at >= 4) {
      const length = bytes.readUInt32LE(at)
      if (bytes.length - at - 4 < length) break
      take(bytes.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    rest = at === bytes.length ? Buffer.alloc(0) : bytes.subarray(at)
  })
}

function withLength(payload: Buffer): Buffer {
  const out = Buffer.allocUnsafe(4 + payload.length)
  out.writeUInt32LE(payload.length)
  payload.copy(out, 4)
  return out
}

/** Group commit: one write and one fdatasync at a time, what arrives meanwhile goes into the next. */
class SyncedFile {
  readonly #file: number
  #waiting: { body: Buffer; done: () => void }[] = []
  #busy = false

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  append(body: Buffer, done: () => void): void {
    this.#waiting.push({ body, done })
    if (!this.#busy) this.#write()
  }

  close(): void {
    closeSync(this.#file)
  }

  #write(): void {
    if (this.#waiting.length === 0) return
    this.#busy = true
    const batch = this.#waiting
    this.#waiting = []
    const fail = (error: Error) => {
      throw error
    }
    write(this.#file, Buffer.concat(batch.map((item) => item.body)), (error) => {
      if (error !== null) fail(error)
      fdatasync(this.#file, (syncError) => {
        if (syncError !== null) fail(syncError)
        this.#busy = false
        for (const item of batch) item.done()
        this.#write()
      })
    })
  }
}

function serve(directory: string, take: (socket: tls.TLSSocket) => void): void {
  const key = readFileSync(join(directory, 'key.pem'))
  const cert = readFileSync(join(directory, 'cert.pem'))
  const server = tls.createServer({ key, cert, minVersion: 'TLSv1.3' }, (socket) => {
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    take(socket)
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
}

function connect(port: number): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: 'TLSv1.3' })
    socket.setNoDelay(true)
    socket.once('secureConnect', () => resolve(socket))
    socket.once('error', reject)
  })
}

function runFollower(directory: string, name: string): void {
  const file = new SyncedFile(join(directory, name))
  serve(directory, (socket) => {
    onFrames(socket, (frame) => {
      const body = Buffer.from(frame)
      createHash('sha256').update(body).digest()
      file.append(body, () => socket.write(withLength(body.subarray(0, 8))))
    })
  })
}

interface Waiting {
  acks: number
  readonly requests: readonly { socket: tls.TLSSocket; id: Buffer }[]
}

async function runLeader(directory: string, followerPorts: readonly number[]): Promise<void> {
  const file = new SyncedFile(join(directory, 'leader'))
  const waiting = new Map<number, Waiting>()
  let collected: { socket: tls.TLSSocket; id: Buffer; body: Buffer }[] = []
  let nextBatch = 0
  let scheduled = false
  const acknowledge = (batch: number) => {
    const entry = waiting.get(batch)
    if (entry === undefined || ++entry.acks < 2) return
    waiting.delete(batch)
    const bySocket = new Map<tls.TLSSocket, Buffer[]>()
    for (const { socket, id } of entry.requests) {
      const list = bySocket.get(socket)
      if (list === undefined) bySocket.set(socket, [withLength(id)])
      else list.push(withLength(id))
    }
    for (const [socket, answers] of bySocket) socket.write(Buffer.concat(answers))
    kick()
  }
  const followers = await Promise.all(followerPorts.map(connect))
  for (const follower of followers) onFrames(follower, (frame) => acknowledge(Number(frame.readBigUInt64LE(0))))
  const flush = () => {
    scheduled = false
    if (collected.length === 0) return
    const batch = nextBatch++
    const requests = collected
    collected = []
    const head = Buffer.allocUnsafe(8)
    head.writeBigUInt64LE(BigInt(batch))
    const body = Buffer.concat([head, ...requests.map((request) => request.body)])
    createHash('sha256').update(body).digest()
    waiting.set(batch, { acks: 0, requests })
    const packet = withLength(body)
    for (const follower of followers) follower.write(packet)
    file.append(body, () => acknowledge(batch))
  }
  const kick = () => {
    if (collected.length === 0 || waiting.size >= IN_FLIGHT_MAX || scheduled) return
    scheduled = true
    setImmediate(flush)
  }
  serve(directory, (socket) => {
    onFrames(socket, (frame) => {
      collected.push({ socket, id: Buffer.from(frame.subarray(0, 4)), body: Buffer.from(frame) })
      kick()
    })
  })
}

/** Closed loop: each client has one operation under way. */
async function measure(port: number, options: Options): Promise<{ opsPerSecond: number; histogram: LatencyHistogram }> {
  const histogram = new LatencyHistogram()
  const sockets = await Promise.all(Array.from({ length: options.connections }, () => connect(port)))
  const startedAt = new Map<number, number>()
  const outgoing = new Map<tls.TLSSocket, Buffer[]>()
  const body = Buffer.alloc(options.valueSize, 7)
  let nextId = 0
  let done = 0
  let measuring = false
  let stopped = false
  const send = (socket: tls.TLSSocket) => {
    const id = nextId++ >>> 0
    startedAt.set(id, performance.now())
    const payload = Buffer.allocUnsafe(4 + body.length)
    payload.writeUInt32LE(id)
    body.copy(payload, 4)
    const list = outgoing.get(socket)
    if (list !== undefined) {
      list.push(withLength(payload))
      return
    }
    outgoing.set(socket, [withLength(payload)])
    setImmediate(() => {
      const parts = outgoing.get(socket) ?? []
      outgoing.delete(socket)
      socket.write(Buffer.concat(parts))
    })
  }
  for (const socket of sockets) {
    onFrames(socket, (frame) => {
      const id = frame.readUInt32LE(0)
      const started = startedAt.get(id)
      startedAt.delete(id)
      if (measuring && started !== undefined) {
        histogram.add(performance.now() - started)
        done++
      }
      if (!stopped) send(socket)
    })
  }
  for (let i = 0; i < options.clients; i++) send(sockets[i % sockets.length] as tls.TLSSocket)
  await new Promise((resolve) => setTimeout(resolve, OPERATIONS_WARM_UP_MS))
  measuring = true
  const begin = performance.now()
  await new Promise((resolve) => setTimeout(resolve, options.durationMs))
  const elapsedMs = performance.now() - begin
  measuring = false
  stopped = true
  for (const socket of sockets) socket.destroy()
  return { opsPerSecond: (done * 1000) / elapsedMs, histogram }
}

async function runBench(options: Options): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'knhk-ceiling-'))
  const children: ChildProcess[] = []
  const start = (role: string, ...args: string[]) => {
    const child = fork(fileURLToPath(import.meta.url), [role, directory, ...args])
    children.push(child)
    return new Promise<number>((resolve, reject) => {
      child.once('message', (message) => resolve((message as { port: number }).port))
      child.once('exit', (code) => reject(new Error(`${role} ended with ${code}`)))
    })
  }
  try {
    const pair = await generateKeyPair()
    writeFileSync(join(directory, 'key.pem'), pair.privateKeyPem, { mode: 0o600 })
    writeFileSync(join(directory, 'cert.pem'), pair.certificatePem)
    const followers = [await start('follower', 'f1'), await start('follower', 'f2')]
    const leader = await start('leader', ...followers.map(String))
    const { opsPerSecond, histogram } = await measure(leader, options)
    const latencyMs = {
      p50: histogram.percentileMs(0.5),
      p90: histogram.percentileMs(0.9),
      p99: histogram.percentileMs(0.99),
      max: histogram.maxMs,
    }
    process.stdout.write(`${JSON.stringify({ opsPerSecond, latencyMs, ...options })}\n`)
  } finally {
    for (const child of children) {
      child.removeAllListeners('exit')
      child.kill('SIGKILL')
    }
    rmSync(directory, { recursive: true, force: true })
  }
}

const [role, directory, ...rest] = process.argv.slice(2)
if (role === 'follower') runFollower(directory as string, rest[0] as string)
else if (role === 'leader') await runLeader(directory as string, rest.map(Number))
else {
  const { values } = parseArgs({
    options: {
      clients: { type: 'string', default: '64' },
      connections: { type: 'string' },
      duration: { type: 'string', default: '5' },
      'value-size': { type: 'string', default: '256' },
    },
  })
  const clients = Number(values.clients)
  await runBench({
    clients,
    connections: Number(values.connections ?? Math.min(clients, 4)),
    durationMs: Number(values.duration) * 1000,
    valueSize: Number(values['value-size']),
  })
  process.exit(0)
}
