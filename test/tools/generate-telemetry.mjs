/**
 * `npm run generate:telemetry`: writes src/telemetry/names.ts from registry/, so that what the code emits
 * and what the registry declares cannot drift: a span or metric without its required attributes does not
 * compile. A test fails while the file is stale. With --print it writes to stdout instead.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('../..', import.meta.url))
const target = join(root, 'src', 'telemetry', 'names.ts')

/** Every group of every file of the registry but its manifest. */
function readGroups() {
  const directory = join(root, 'registry')
  const files = readdirSync(directory).filter((name) => name.endsWith('.yaml') && name !== 'manifest.yaml')
  return files.sort().flatMap((name) => parse(readFileSync(join(directory, name), 'utf8')).groups)
}

function valueType(type) {
  if (typeof type === 'object') return type.members.map(({ value }) => JSON.stringify(value)).join(' | ')
  return { string: 'string', int: 'number', boolean: 'boolean' }[type]
}

/** What a signal carries: required attributes have to be given, the others may be. */
function attributeType(attributes) {
  const names = (wanted) =>
    attributes
      .filter(({ requirement_level: level }) => (level === 'required') === wanted)
      .map(({ ref }) => JSON.stringify(ref))
      .join(' | ')
  const parts = []
  if (names(true) !== '') parts.push(`Pick<Attributes, ${names(true)}>`)
  if (names(false) !== '') parts.push(`Partial<Pick<Attributes, ${names(false)}>>`)
  return parts.join(' & ')
}

function render() {
  const groups = readGroups()
  const ofType = (type) => groups.filter((group) => group.type === type)
  const attributes = ofType('attribute_group').flatMap((group) => group.attributes)
  const spans = ofType('span')
  const metrics = ofType('metric')
  return `/**
 * Names and types of everything that telemetry emits. Made from registry/ by \`npm run generate:telemetry\`: do
 * not edit. Reference: the registry itself, which Weaver reads.
 */

/** Values of attributes by name. */
export interface Attributes {
${attributes.map(({ id, type }) => `readonly ${JSON.stringify(id)}: ${valueType(type)}`).join('\n')}
}

/** The values that an enumerated attribute can have, in the order of the registry. */
export const MEMBERS = {
${attributes
  .filter(({ type }) => typeof type === 'object')
  .map(({ id, type }) => `${JSON.stringify(id)}: ${JSON.stringify(type.members.map(({ value }) => value))},`)
  .join('\n')}
} as const

/** What each span carries. */
export interface SpanAttributes {
${spans.map((span) => `readonly ${JSON.stringify(span.id)}: ${attributeType(span.attributes)}`).join('\n')}
}

export type SpanName = keyof SpanAttributes

export const METRICS = {
${metrics
  .map(
    ({ metric_name: name, instrument, unit, brief }) =>
      `${JSON.stringify(name)}: { instrument: '${instrument}', unit: ${JSON.stringify(unit)}, brief: ${JSON.stringify(brief)} },`,
  )
  .join('\n')}
} as const

export type MetricName = keyof typeof METRICS

/** What each data point carries. */
export interface MetricAttributes {
${metrics.map((metric) => `readonly ${JSON.stringify(metric.metric_name)}: ${attributeType(metric.attributes)}`).join('\n')}
}
`
}

/** The file as it should be, formatted. */
function generate() {
  const biome = createRequire(import.meta.url).resolve('@biomejs/biome/bin/biome')
  const args = [biome, 'format', '--stdin-file-path=src/telemetry/names.ts']
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { input: render(), cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

if (process.argv.includes('--print')) process.stdout.write(generate())
else writeFileSync(target, generate())
