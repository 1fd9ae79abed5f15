/**
 * The HTTP port of a node: `/metrics`, `/livez`, `/readyz`, `/status`. Read-only, without secrets, on
 * loopback unless told otherwise, and bounded in every direction: connections, header bytes, time. A
 * node never fails because of it: where its port is taken it moves to a free one and says so.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Millis } from '../consensus/types.js'
import type { Logger } from '../node/ports.js'
import { PROMETHEUS_CONTENT_TYPE } from './prometheus.js'
import type { NotReady } from './readiness.js'

export const HTTP_LIMITS = {
  connectionsMax: 64,
  headerBytesMax: 8 * 1024,
  headersMax: 64,
  /** For a request to arrive; an idle connection is closed after as long. */
  timeoutMs: 5000,
  /** A page is made at most this often; who asks more gets the same again. */
  pageMs: 200,
} as const

const JSON_TYPE = 'application/json; charset=utf-8'

/** What the pages show, asked for when somebody looks. */
export interface HttpPages {
  readonly metrics: () => string
  readonly notReady: () => readonly NotReady[]
  /** Plain data. */
  readonly status: () => Readonly<Record<string, unknown>>
}

export interface HttpServerOptions {
  readonly host: string
  /** 0 for a free one. */
  readonly port: number
  readonly pages: HttpPages
  readonly nowMs: () => Millis
  readonly logger: Logger
}

export interface RunningHttp {
  /** `http://host:port`. */
  readonly url: string
  close(): Promise<void>
}

interface Page {
  readonly code: number
  readonly type: string
  readonly body: string
}

/** Listens. Null where that fails even on a free port: the node goes on without. */
export async function startHttp(options: HttpServerOptions): Promise<RunningHttp | null> {
  const { host, port, logger } = options
  const server = makeServer(options)
  for (const attempt of port === 0 ? [0] : [port, 0]) {
    try {
      server.listen(attempt, host)
      await once(server, 'listening')
      const address = server.address() as AddressInfo
      const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
      return { url: `http://${name}:${address.port}`, close: () => closeServer(server) }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      logger.log('warn', 'the HTTP port cannot be opened', { host, port: attempt, reason })
    }
  }
  return null
}

function makeServer(options: HttpServerOptions): Server {
  const pages = new PageCache(options)
  const { connectionsMax, headerBytesMax, headersMax, timeoutMs } = HTTP_LIMITS
  const server = createServer(
    {
      maxHeaderSize: headerBytesMax,
      headersTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      keepAliveTimeout: timeoutMs,
      connectionsCheckingInterval: timeoutMs / 5,
    },
    (request, response) => answer(request, response, pages),
  )
  server.maxConnections = connectionsMax
  server.maxHeadersCount = headersMax
  server.timeout = timeoutMs
  // Whoever waits for the process to end does not wait for this.
  server.unref()
  return server
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
}

function answer(request: IncomingMessage, response: ServerResponse, pages: PageCache): void {
  const { method, headers } = request
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  if (method !== 'GET' && method !== 'HEAD') send(request, response, plain(405, 'only GET and HEAD\n'), true)
  else if (hasBody) send(request, response, plain(413, 'no body is taken\n'), true)
  else send(request, response, pages.get((request.url ?? '/').split('?', 1)[0] as string), false)
}

function send(request: IncomingMessage, response: ServerResponse, page: Page, close: boolean): void {
  const { code, type, body } = page
  response.writeHead(code, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(code === 405 ? { allow: 'GET, HEAD' } : {}),
    ...(close ? { connection: 'close' } : {}),
  })
  response.end(request.method === 'HEAD' ? '' : body)
}

function plain(code: number, body: string): Page {
  return { code, type: 'text/plain; charset=utf-8', body }
}

/** Makes each page at most once in a while: the node does the same work for one scraper and for a hundred. */
class PageCache {
  readonly #options: HttpServerOptions
  readonly #made = new Map<string, { readonly atMs: Millis; readonly page: Page }>()

  constructor(options: HttpServerOptions) {
    this.#options = options
  }

  get(path: string): Page {
    const make = this.#maker(path)
    if (make === null) return plain(404, 'here are /metrics, /livez, /readyz and /status\n')
    const nowMs = this.#options.nowMs()
    const known = this.#made.get(path)
    if (known !== undefined && nowMs - known.atMs < HTTP_LIMITS.pageMs) return known.page
    const page = make()
    this.#made.set(path, { atMs: nowMs, page })
    return page
  }

  #maker(path: string): (() => Page) | null {
    const { pages } = this.#options
    switch (path) {
      case '/metrics':
        return () => ({ code: 200, type: PROMETHEUS_CONTENT_TYPE, body: pages.metrics() })
      case '/livez':
        return () => json(200, { alive: true })
      case '/readyz':
        return () => {
          const reasons = pages.notReady()
          return json(reasons.length === 0 ? 200 : 503, { ready: reasons.length === 0, reasons })
        }
      case '/status':
        return () => json(200, pages.status())
      default:
        return null
    }
  }
}

function json(code: number, value: unknown): Page {
  return { code, type: JSON_TYPE, body: `${JSON.stringify(value, null, 2)}\n` }
}
