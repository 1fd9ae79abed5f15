/**
 * Reads YAML field by field with the place of each: every complaint names file, line and column. It
 * walks the syntax tree and never expands aliases, so a file cannot blow up in memory.
 */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { KnhkError } from '../base/error.js'

interface Source {
  readonly name: string
  readonly lines: LineCounter
}

/** Parses one document. Throws `InvalidClusterFile`. */
export function parseYaml(text: string, name: string): YamlField {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true, prettyErrors: false })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0])
    throw new KnhkError('InvalidClusterFile', `${name}:${line}:${col}: ${problem.message}`, {
      details: { line, column: col },
    })
  }
  if (document.contents === null) throw new KnhkError('InvalidClusterFile', `${name} is empty`)
  return new YamlField({ name, lines }, '', document.contents, 0)
}

/** One value and the path to it, such as `members[2].address`. */
export class YamlField {
  readonly #source: Source
  readonly #path: string
  readonly #node: Node | null
  readonly #offset: number

  constructor(source: Source, path: string, node: Node | null, offset: number) {
    this.#source = source
    this.#path = path
    this.#node = node
    this.#offset = node?.range?.[0] ?? offset
  }

  get place(): string {
    const { line, col } = this.#source.lines.linePos(this.#offset)
    return `${line}:${col}`
  }

  fail(complaint: string): never {
    const { line, col } = this.#source.lines.linePos(this.#offset)
    const what = this.#path === '' ? 'the file' : this.#path
    throw new KnhkError('InvalidClusterFile', `${this.#source.name}:${line}:${col}: ${what} ${complaint}`, {
      details: { line, column: col },
    })
  }

  text(): string {
    if (!isScalar(this.#node) || typeof this.#node.value !== 'string') return this.fail('has to be a text')
    return this.#node.value
  }

  integer(min: number, max: number): number {
    const value = isScalar(this.#node) ? this.#node.value : undefined
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      return this.fail(`has to be an integer of ${min} to ${max}`)
    }
    return value
  }

  boolean(): boolean {
    if (!isScalar(this.#node) || typeof this.#node.value !== 'boolean') return this.fail('has to be true or false')
    return this.#node.value
  }

  oneOf<T extends string>(allowed: readonly T[]): T {
    const value = this.text()
    const found = allowed.find((candidate) => candidate === value)
    return found ?? this.fail(`has to be one of ${allowed.join(', ')}`)
  }

  /** Runs `convert`; a KnhkError from it becomes a complaint about this field. */
  convert<T>(convert: () => T): T {
    try {
      return convert()
    } catch (error) {
      if (error instanceof KnhkError && error.code === 'InvalidArgument') return this.fail(`is wrong: ${error.message}`)
      throw error
    }
  }

  items(min: number, max: number): YamlField[] {
    if (!isSeq(this.#node)) return this.fail('has to be a list')
    const { items } = this.#node
    if (items.length < min || items.length > max)
      return this.fail(`has to have ${min} to ${max} items, not ${items.length}`)
    return items.map((item, i) => new YamlField(this.#source, `${this.#path}[${i}]`, item as Node, this.#offset))
  }

  /** The value as a mapping with no other keys than `allowed`. */
  record(allowed: readonly string[]): YamlRecord {
    if (!isMap(this.#node)) return this.fail('has to be a mapping')
    const fields = new Map<string, YamlField>()
    for (const pair of this.#node.items) {
      const keyNode = pair.key as Node
      const key = isScalar(keyNode) ? String(keyNode.value) : ''
      const offset = keyNode.range?.[0] ?? this.#offset
      const path = this.#path === '' ? key : `${this.#path}.${key}`
      if (!allowed.includes(key)) {
        new YamlField(this.#source, path, null, offset).fail(`is not known here; known are ${allowed.join(', ')}`)
      }
      fields.set(key, new YamlField(this.#source, path, pair.value as Node | null, offset))
    }
    return new YamlRecord(this, fields)
  }
}

export class YamlRecord {
  readonly #field: YamlField
  readonly #fields: ReadonlyMap<string, YamlField>

  constructor(field: YamlField, fields: ReadonlyMap<string, YamlField>) {
    this.#field = field
    this.#fields = fields
  }

  required(key: string): YamlField {
    return this.#fields.get(key) ?? this.#field.fail(`lacks ${key}`)
  }

  optional(key: string): YamlField | undefined {
    return this.#fields.get(key)
  }

  fail(complaint: string): never {
    return this.#field.fail(complaint)
  }
}
