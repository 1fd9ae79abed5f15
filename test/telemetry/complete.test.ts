/**
 * What is emitted and what the registry declares are the same: every span, metric and attribute of a
 * node that lives through everything is declared, with the declared kind, and nothing is declared that
 * such a node does not emit.
 */
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, it } from 'vitest'
import { describeRegistry, type RegistryEntry } from '../../src/telemetry/registry/describe.js'
import { loadRegistry } from '../../src/telemetry/registry/load.js'
import type { Series } from '../../src/telemetry/series.js'
import { liveThrough, makeRig, type SeenSpan, seriesOf } from './drive.js'

let entries: RegistryEntry[] = []
let spans: readonly SeenSpan[] = []
let series: Series[] = []

beforeAll(async () => {
  entries = describeRegistry(await loadRegistry(fileURLToPath(new URL('../../registry', import.meta.url))))
  const rig = makeRig()
  liveThrough(rig)
  spans = rig.sink.spans
  series = seriesOf(rig.recorder, undefined, [{ reason: 'apply_lag', message: '', numbers: {} }])
})

function named(kind: RegistryEntry['kind']): string[] {
  return entries.filter((entry) => entry.kind === kind).map(({ name }) => name)
}

it('emits every declared span, and no other', () => {
  expect([...new Set(spans.map(({ name }) => name))].sort()).toEqual(named('span').sort())
})

it('emits every declared metric, and no other, as it is declared', () => {
  expect(series.map(({ name }) => name)).toEqual(named('metric'))
  for (const { name, instrument, unit } of series) {
    expect(entries).toContainEqual(expect.objectContaining({ kind: 'metric', name, type: instrument, unit }))
  }
})

it('gives every span and data point the attributes that are declared for it', () => {
  const seen = new Set<string>()
  for (const { name, attributes } of spans) {
    const declared = entries.find((entry) => entry.kind === 'span' && entry.name === name)?.values ?? []
    for (const key of Object.keys(attributes)) expect(declared, name).toContain(key)
    for (const key of Object.keys(attributes)) seen.add(key)
  }
  for (const { name, points } of series) {
    const declared = entries.find((entry) => entry.kind === 'metric' && entry.name === name)?.values ?? []
    for (const { attributes } of points) expect(Object.keys(attributes).sort(), name).toEqual([...declared].sort())
    for (const { attributes } of points) for (const key of Object.keys(attributes)) seen.add(key)
  }
  // The resource is the business of the export.
  expect([...seen].sort()).toEqual(
    named('attribute')
      .filter((name) => name.startsWith('consensus.'))
      .sort(),
  )
})

it('gives attributes values of the declared type', () => {
  const types = new Map(entries.filter(({ kind }) => kind === 'attribute').map((entry) => [entry.name, entry]))
  const all = [
    ...spans.map(({ attributes }) => attributes),
    ...series.flatMap(({ points }) => points.map(({ attributes }) => attributes)),
  ]
  for (const [key, value] of all.flatMap((attributes) => Object.entries(attributes))) {
    const declared = types.get(key)
    if (declared?.type === 'int') expect(Number.isSafeInteger(value), key).toBe(true)
    else expect(typeof value, key).toBe('string')
    if (declared?.type === 'enum') expect(declared.values).toContain(value)
  }
})
