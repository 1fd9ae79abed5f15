/**
 * All metrics of a node at one moment, as data: `/metrics` writes them as text, the OTLP export hands them
 * to the SDK. Names, attributes and kinds of values come from the registry and do not compile otherwise.
 */
import type { NodeId } from '../consensus/types.js'
import type { HistogramValue } from './histogram.js'
import { METRICS, type MetricAttributes, type MetricName } from './names.js'

type Instrument<Name extends MetricName> = (typeof METRICS)[Name]['instrument']
type ValueOf<Name extends MetricName> = Instrument<Name> extends 'histogram' ? HistogramValue : number

export interface Point {
  readonly attributes: Readonly<Record<string, string>>
  readonly value: number | HistogramValue
}

export interface Series {
  readonly name: MetricName
  readonly instrument: 'counter' | 'gauge' | 'histogram'
  readonly unit: string
  readonly brief: string
  readonly points: readonly Point[]
}

type OwnAttributes<Name extends MetricName> = Omit<MetricAttributes[Name], 'consensus.node_id'>

export class SeriesList {
  readonly #nodeId: NodeId
  readonly #points = new Map<MetricName, Point[]>()

  constructor(nodeId: NodeId) {
    this.#nodeId = nodeId
  }

  add<Name extends MetricName>(name: Name, value: ValueOf<Name>, attributes: OwnAttributes<Name>): void {
    const point = { attributes: { 'consensus.node_id': this.#nodeId, ...attributes }, value }
    const points = this.#points.get(name)
    if (points === undefined) this.#points.set(name, [point])
    else points.push(point)
  }

  /** In the order of the registry. */
  finish(): Series[] {
    const names = Object.keys(METRICS) as MetricName[]
    return names.flatMap((name) => {
      const points = this.#points.get(name)
      return points === undefined ? [] : [{ name, ...METRICS[name], points }]
    })
  }
}
