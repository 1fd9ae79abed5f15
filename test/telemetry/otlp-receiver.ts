/** An OTLP collector over HTTP that keeps what it is sent. Reference: OTLP 1, JSON encoding. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Value {
  readonly stringValue?: string
  readonly intValue?: number | string
  readonly doubleValue?: number
  readonly boolValue?: boolean
}

interface KeyValue {
  readonly key: string
  readonly value: Value
}

interface Scoped {
  readonly scope: { readonly name: string; readonly version?: string }
}

export interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly KeyValue[]
  readonly links: readonly { readonly traceId: string }[]
}

interface Point {
  readonly attributes: readonly KeyValue[]
  readonly asDouble?: number
  readonly asInt?: number | string
  readonly count?: number | string
  readonly bucketCounts?: readonly (number | string)[]
  readonly explicitBounds?: readonly number[]
}

export interface OtlpMetric {
  readonly name: string
  readonly unit: string
  readonly sum?: {
    readonly dataPoints: readonly Point[]
    readonly isMonotonic: boolean
    readonly aggregationTemporality: number
  }
  readonly gauge?: { readonly dataPoints: readonly Point[] }
  readonly histogram?: { readonly dataPoints: readonly Point[]; readonly aggregationTemporality: number }
}

interface Resource {
  readonly attributes: readonly KeyValue[]
}

interface Body {
  readonly resourceSpans?: readonly {
    readonly resource: Resource
    readonly scopeSpans: readonly (Scoped & { readonly spans: readonly OtlpSpan[] })[]
  }[]
  readonly resourceMetrics?: readonly {
    readonly resource: Resource
    readonly scopeMetrics: readonly (Scoped & { readonly metrics: readonly OtlpMetric[] })[]
  }[]
}

/** With the `service.instance.id` of who sent it. */
export type From<T> = T & { readonly instance: string }

export class OtlpReceiver {
  readonly spans: From<OtlpSpan>[] = []
  readonly metrics: From<OtlpMetric>[] = []
  readonly resources: (readonly KeyValue[])[] = []
  readonly scopes = new Set<string>()
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      void readBody(request).then((text) => {
        this.#take(JSON.parse(text) as Body)
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      })
    })
  }

  static async start(): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver()
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve))
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #take({ resourceSpans = [], resourceMetrics = [] }: Body): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const instance = this.#resource(resource)
      for (const { scope, spans } of scopeSpans) {
        this.scopes.add(scope.name)
        for (const span of spans) this.spans.push({ ...span, instance })
      }
    }
    for (const { resource, scopeMetrics } of resourceMetrics) {
      const instance = this.#resource(resource)
      for (const { scope, metrics } of scopeMetrics) {
        this.scopes.add(scope.name)
        for (const metric of metrics) this.metrics.push({ ...metric, instance })
      }
    }
  }

  #resource({ attributes }: Resource): string {
    this.resources.push(attributes)
    return String(plain(attributes)['service.instance.id'])
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString('utf8')
}

/** Attributes with their plain values; an integer is a number, any other number is null: nothing of ours is one. */
export function plain(attributes: readonly KeyValue[]): Record<string, string | number | boolean | null> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? (value.intValue === undefined ? null : Number(value.intValue)),
    ]),
  )
}
