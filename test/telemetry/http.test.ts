/**
 * The HTTP port of a node, for real: its pages, its refusals, its bounds, and that it never costs the
 * node its start.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import type { Logger } from '../../src/node/ports.js'
import { HTTP_LIMITS, type HttpPages, type RunningHttp, startHttp } from '../../src/telemetry/http-server.js'
import type { NotReady } from '../../src/telemetry/readiness.js'

const silent: Logger = { log: () => undefined }
const running: RunningHttp[] = []

afterEach(async () => {
  for (const http of running.splice(0)) await http.close()
})

async function start(pages: Partial<HttpPages> = {}, port = 0): Promise<RunningHttp> {
  const http = await startHttp({
    host: '127.0.0.1',
    port,
    pages: { metrics: () => 'm 1\n', notReady: () => [], status: () => ({ id: 'n1' }), ...pages },
    nowMs: () => performance.now(),
    logger: silent,
  })
  if (http === null) throw new Error('no server')
  running.push(http)
  return http
}

it('serves its four pages', async () => {
  const { url } = await start()
  const metrics = await fetch(`${url}/metrics`)
  expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(await metrics.text()).toBe('m 1\n')
  expect(await (await fetch(`${url}/livez`)).json()).toEqual({ alive: true })
  expect(await (await fetch(`${url}/readyz?verbose`)).json()).toEqual({ ready: true, reasons: [] })
  expect(await (await fetch(`${url}/status`)).json()).toEqual({ id: 'n1' })
  expect((await fetch(`${url}/`)).status).toBe(404)
  const head = await fetch(`${url}/metrics`, { method: 'HEAD' })
  expect([head.status, await head.text()]).toEqual([200, ''])
})

it('is alive and not ready at the same time, with the reasons', async () => {
  const reasons: NotReady[] = [{ reason: 'stalled_disk', message: 'a write', numbers: { pendingMs: 2000 } }]
  const { url } = await start({ notReady: () => reasons })
  const ready = await fetch(`${url}/readyz`)
  expect([ready.status, await ready.json()]).toEqual([503, { ready: false, reasons }])
  expect((await fetch(`${url}/livez`)).status).toBe(200)
})

it('makes a page once for many that ask', async () => {
  let made = 0
  const { url } = await start({
    metrics: () => {
      made++
      return ''
    },
  })
  await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/metrics`).then((response) => response.text())))
  expect(made).toBeLessThan(20)
})

it('refuses what it does not serve', async () => {
  const { url } = await start()
  const post = await fetch(`${url}/metrics`, { method: 'POST', body: 'x' })
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  expect(await raw(url, 'GET /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n')).toMatch(/^HTTP\/1.1 413/)
  const wide = 'x'.repeat(HTTP_LIMITS.headerBytesMax + 1)
  expect(await raw(url, `GET /metrics HTTP/1.1\r\nhost: ${wide}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431/)
  expect(await raw(url, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1.1 400/)
})

it('takes a bounded number of connections, and goes on when they are gone', async () => {
  const { url } = await start()
  const { port } = new URL(url)
  const sockets = Array.from({ length: HTTP_LIMITS.connectionsMax }, () => connect(Number(port), '127.0.0.1'))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  const over = connect(Number(port), '127.0.0.1')
  over.on('error', () => undefined)
  await once(over, 'close')
  for (const socket of sockets) socket.destroy()
  await expect
    .poll(() =>
      fetch(`${url}/livez`).then(
        (response) => response.status,
        () => 0,
      ),
    )
    .toBe(200)
})

it('moves to a free port where its own is taken', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  const { url } = await start({}, port)
  expect(url).not.toContain(`:${port}`)
  expect((await fetch(`${url}/livez`)).status).toBe(200)
  taken.close()
})

it('goes without where nothing can be opened', async () => {
  const pages = { metrics: () => '', notReady: () => [], status: () => ({}) }
  expect(await startHttp({ host: '203.0.113.1', port: 1, pages, nowMs: () => 0, logger: silent })).toBeNull()
})

/** Sends these bytes and gives back all that comes until the other side closes. */
async function raw(url: string, text: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  let answer = ''
  socket.on('data', (bytes) => {
    answer += bytes.toString('latin1')
  })
  socket.on('error', () => undefined)
  socket.write(text)
  await once(socket, 'close')
  return answer
}
