/** What a sound registry declares, for people: one line for each attribute, span and metric. */
import { isFields } from './checker.js'
import type { RegistryFiles } from './load.js'

export interface RegistryEntry {
  readonly kind: 'attribute' | 'span' | 'metric'
  readonly name: string
  /** Type of an attribute, kind of a span, instrument of a metric. */
  readonly type: string
  /** Of a metric; null elsewhere. */
  readonly unit: string | null
  readonly brief: string
  /** Names of what a span or metric carries; the words of an enumeration. */
  readonly values: readonly string[]
}

/** Expects a registry that `checkRegistry` found nothing wrong with. */
export function describeRegistry({ files }: RegistryFiles): RegistryEntry[] {
  const groups = files.flatMap(({ content }) => listOf(content, 'groups'))
  const attributes = groups.flatMap((group) => listOf(group, 'attributes')).filter((one) => textOf(one, 'id') !== '')
  return [
    ...attributes.map((attribute): RegistryEntry => {
      const type = isFields(attribute) ? attribute.type : ''
      const members = listOf(type, 'members').map((member) => textOf(member, 'value'))
      return {
        kind: 'attribute',
        name: textOf(attribute, 'id'),
        type: typeof type === 'string' ? type : 'enum',
        unit: null,
        brief: textOf(attribute, 'brief'),
        values: members,
      }
    }),
    ...groups.filter((group) => textOf(group, 'type') === 'span').map(spanOf),
    ...groups.filter((group) => textOf(group, 'type') === 'metric').map(metricOf),
  ]
}

function spanOf(group: unknown): RegistryEntry {
  const { brief, values } = carried(group)
  return { kind: 'span', name: textOf(group, 'id'), type: textOf(group, 'span_kind'), unit: null, brief, values }
}

function metricOf(group: unknown): RegistryEntry {
  const name = textOf(group, 'metric_name')
  const type = textOf(group, 'instrument')
  return { kind: 'metric', name, type, unit: textOf(group, 'unit'), ...carried(group) }
}

function carried(group: unknown): Pick<RegistryEntry, 'brief' | 'values'> {
  return { brief: textOf(group, 'brief'), values: listOf(group, 'attributes').map((one) => textOf(one, 'ref')) }
}

function listOf(value: unknown, key: string): readonly unknown[] {
  const list = isFields(value) ? value[key] : undefined
  return Array.isArray(list) ? list : []
}

function textOf(value: unknown, key: string): string {
  const text = isFields(value) ? value[key] : undefined
  return typeof text === 'string' ? text : ''
}
