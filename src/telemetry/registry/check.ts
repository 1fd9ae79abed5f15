/**
 * Checks a registry against the published form (format.ts) and against itself: every reference leads
 * to a declaration, nothing is declared twice, no attribute is the namespace of another. What Weaver
 * would refuse or warn about is a problem here.
 */
import { Checker, type Fields, isFields, type RegistryProblem } from './checker.js'
import {
  ATTRIBUTE_TYPES,
  CONDITIONED_LEVELS,
  DEFINITION_KEYS,
  FILE_KEYS,
  GROUP_KEYS,
  GROUP_TYPES,
  type GroupType,
  INSTRUMENTS,
  MANIFEST_KEYS,
  MEMBER_KEYS,
  NAME,
  REFERENCE_KEYS,
  REQUIREMENT_LEVELS,
  SCHEMA_URL,
  SPAN_KINDS,
  STABILITIES,
} from './format.js'
import { MANIFEST_FILE, type RegistryFile, type RegistryFiles } from './load.js'

export interface RegistryReport {
  readonly ok: boolean
  readonly files: number
  readonly attributes: number
  readonly spans: number
  readonly metrics: number
  readonly problems: readonly RegistryProblem[]
}

/** What is seen over all files. */
class Seen {
  readonly groups = new Map<string, number>()
  readonly attributes = new Map<string, number>()
  readonly metrics = new Map<string, number>()
  readonly references: { readonly checker: Checker; readonly place: string; readonly ref: string }[] = []
  spans = 0

  static count(counts: Map<string, number>, name: string): boolean {
    const before = counts.get(name) ?? 0
    counts.set(name, before + 1)
    return before > 0
  }
}

export function checkRegistry({ manifest, files }: RegistryFiles): RegistryReport {
  const seen = new Seen()
  const checkers = [checkManifest(manifest), ...files.map((file) => checkFile(file, seen))]
  for (const { checker, place, ref } of seen.references) {
    if (!seen.attributes.has(ref)) checker.add(place, `${ref} is declared nowhere`)
  }
  const problems = [...checkers.flatMap((checker) => checker.problems), ...namespaceProblems(seen)]
  return {
    ok: problems.length === 0,
    files: files.length,
    attributes: seen.attributes.size,
    spans: seen.spans,
    metrics: seen.metrics.size,
    problems,
  }
}

function checkManifest(manifest: RegistryFile | null): Checker {
  const checker = new Checker(MANIFEST_FILE)
  if (manifest === null) checker.add('', 'there is no manifest')
  else if (manifest.problem !== null) checker.add('', manifest.problem)
  else {
    const fields = checker.fields('', manifest.content, MANIFEST_KEYS)
    if (fields === null) return checker
    const url = checker.text('', fields, 'schema_url')
    if (url !== null && !SCHEMA_URL.test(url)) checker.add('', 'schema_url is not http[s]://server/path/version')
    checker.oneOf('', fields, 'stability', STABILITIES)
  }
  return checker
}

function checkFile(file: RegistryFile, seen: Seen): Checker {
  const checker = new Checker(file.name)
  if (file.problem !== null) {
    checker.add('', file.problem)
    return checker
  }
  const root = checker.fields('', file.content, FILE_KEYS)
  if (root === null) return checker
  for (const [i, group] of checker.items('groups', root.groups).entries()) checkGroup(checker, group, i, seen)
  return checker
}

function checkGroup(checker: Checker, value: unknown, at: number, seen: Seen): void {
  const named = isFields(value) && typeof value.id === 'string' ? value.id : `groups[${at}]`
  const type = isFields(value) ? value.type : undefined
  if (!isGroupType(type)) {
    checker.add(named, `type is ${JSON.stringify(type)}, none of ${GROUP_TYPES.join(', ')}`)
    return
  }
  const group = checker.fields(named, value, GROUP_KEYS[type])
  if (group === null) return
  if (Seen.count(seen.groups, named)) checker.add(named, 'another group has this id')
  for (const key of ['id', 'brief', 'unit', 'name']) checker.text(named, group, key)
  checker.oneOf(named, group, 'stability', STABILITIES)
  checker.oneOf(named, group, 'span_kind', SPAN_KINDS)
  checker.oneOf(named, group, 'instrument', INSTRUMENTS)
  if (type === 'span') seen.spans++
  const metric = checker.text(named, group, 'metric_name')
  if (metric !== null) {
    if (!NAME.test(metric)) checker.add(named, `${metric} is no metric name: lower case, in namespaces`)
    if (Seen.count(seen.metrics, metric)) checker.add(named, `another metric has the name ${metric}`)
  }
  const references = new Map<string, number>()
  for (const [i, attribute] of checker.items(named, group.attributes).entries()) {
    checkAttribute(checker, `${named}/attributes[${i}]`, attribute, seen, references)
  }
}

function isGroupType(type: unknown): type is GroupType {
  return typeof type === 'string' && (GROUP_TYPES as readonly string[]).includes(type)
}

function checkAttribute(
  checker: Checker,
  place: string,
  value: unknown,
  seen: Seen,
  references: Map<string, number>,
): void {
  const isReference = isFields(value) && value.ref !== undefined
  const attribute = checker.fields(place, value, isReference ? REFERENCE_KEYS : DEFINITION_KEYS)
  if (attribute === null) return
  checkLevel(checker, place, attribute.requirement_level)
  checker.oneOf(place, attribute, 'stability', STABILITIES)
  const name = checker.text(place, attribute, isReference ? 'ref' : 'id')
  if (name === null) return
  if (Seen.count(references, name)) checker.add(place, `${name} stands twice in this group`)
  if (isReference) {
    seen.references.push({ checker, place, ref: name })
    return
  }
  if (!NAME.test(name) || !name.includes('.'))
    checker.add(place, `${name} is no attribute name: lower case, in a namespace`)
  if (Seen.count(seen.attributes, name)) checker.add(place, `${name} is declared before`)
  checker.text(place, attribute, 'brief')
  checkType(checker, place, attribute)
}

function checkLevel(checker: Checker, place: string, level: unknown): void {
  if (level === undefined) return
  if (typeof level === 'string' && (REQUIREMENT_LEVELS as readonly string[]).includes(level)) return
  const [key, ...more] = isFields(level) ? Object.keys(level) : []
  const isConditioned = more.length === 0 && CONDITIONED_LEVELS.some((one) => one === key)
  const condition = isFields(level) && key !== undefined ? level[key] : null
  if (!isConditioned || typeof condition !== 'string') {
    checker.add(
      place,
      `requirement_level ${JSON.stringify(level)} is none: ${REQUIREMENT_LEVELS.join(', ')}, conditionally_required: TEXT`,
    )
  }
}

function checkType(checker: Checker, place: string, attribute: Fields): void {
  const { type, examples } = attribute
  if (isFields(type)) {
    checkMembers(checker, place, type)
    return
  }
  if (typeof type !== 'string' || !ATTRIBUTE_TYPES.includes(type)) {
    checker.add(place, `type ${JSON.stringify(type)} is none of the format`)
    return
  }
  const needsExamples = type === 'string' || type === 'string[]'
  if (examples === undefined) {
    if (needsExamples) checker.add(place, 'a text needs examples')
    return
  }
  const given = Array.isArray(examples) ? (examples as readonly unknown[]) : [examples]
  for (const example of given) {
    if (!fits(example, type)) checker.add(place, `the example ${JSON.stringify(example)} is no ${type}`)
  }
}

function fits(example: unknown, type: string): boolean {
  if (type.endsWith('[]')) return Array.isArray(example) && example.every((one) => fits(one, type.slice(0, -2)))
  if (type === 'int') return Number.isSafeInteger(example)
  if (type === 'double') return typeof example === 'number'
  if (type === 'string' || type === 'boolean') return typeof example === type
  return true
}

function checkMembers(checker: Checker, place: string, type: Fields): void {
  const root = checker.fields(place, type, { required: ['members'], optional: [] })
  const ids = new Map<string, number>()
  const values = new Map<string, number>()
  for (const [i, one] of checker.items(place, root?.members).entries()) {
    const at = `${place}/members[${i}]`
    const member = checker.fields(at, one, MEMBER_KEYS)
    if (member === null) continue
    checker.oneOf(at, member, 'stability', STABILITIES)
    const id = checker.text(at, member, 'id')
    if (id !== null && Seen.count(ids, id)) checker.add(at, `another member has the id ${id}`)
    const { value } = member
    if (typeof value !== 'string' && typeof value !== 'number') checker.add(at, 'value has to be a text or a number')
    else if (Seen.count(values, String(value))) checker.add(at, `another member has the value ${value}`)
  }
  if (ids.size === 0) checker.add(place, 'an enumeration needs members')
}

/** `a.b` and `a.b.c` cannot both be attributes: the first would be a value and a namespace at once. */
function namespaceProblems(seen: Seen): RegistryProblem[] {
  return [...seen.attributes.keys()].flatMap((name) => {
    const parts = name.split('.')
    const above = parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('.'))
    return above
      .filter((namespace) => seen.attributes.has(namespace))
      .map((namespace) => ({ file: '', place: name, message: `${namespace} is an attribute, and here a namespace` }))
  })
}
