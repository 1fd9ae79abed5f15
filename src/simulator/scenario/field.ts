/**
 * Reads a scenario's YAML with the place of each value: every complaint names file and line. It walks
 * the syntax tree and never expands aliases, so a file cannot blow up in memory.
 */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, Scalar } from 'yaml'
import { KnhkError } from '../../base/error.js'

interface Source {
  readonly name: string
  readonly lines: LineCounter
  readonly text: string
}

/** Parses one document. Throws `InvalidFile`. */
export function parseFields(text: string, name: string): Field {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true, prettyErrors: false })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) {
    const { line } = lines.linePos(problem.pos[0])
    throw new KnhkError('InvalidFile', `${name}:${line}: ${problem.message}`, { details: { line } })
  }
  if (document.contents === null) throw new KnhkError('InvalidFile', `${name} is empty`)
  return new Field({ name, lines, text }, '', document.contents, 0)
}

/** One value and what leads to it, such as `expect.n1.term`. */
export class Field {
  readonly path: string
  readonly #source: Source
  readonly #node: Node | null
  readonly #offset: number

  constructor(source: Source, path: string, node: Node | null, offset: number) {
    this.#source = source
    this.path = path
    this.#node = node
    this.#offset = node?.range?.[0] ?? offset
  }

  get line(): number {
    return this.#source.lines.linePos(this.#offset).line
  }

  /** The value as it stands in the file. */
  get source(): string {
    const range = this.#node?.range
    return range === undefined || range === null ? '' : this.#source.text.slice(range[0], range[1]).trim()
  }

  get isRecord(): boolean {
    return isMap(this.#node)
  }

  get isList(): boolean {
    return isSeq(this.#node)
  }

  fail(complaint: string): never {
    const what = this.path === '' ? 'the file' : this.path
    throw new KnhkError('InvalidFile', `${this.#source.name}:${this.line}: ${what} ${complaint}`, {
      details: { line: this.line },
    })
  }

  /** Another text at the same place: of a key, which has no field. */
  withText(text: string): Field {
    return new Field(this.#source, this.path, new Scalar(text), this.#offset)
  }

  /** The value of a plain field. */
  scalar(): string | number | boolean | null {
    if (!isScalar(this.#node)) return this.fail('has to be a plain value')
    const { value } = this.#node
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return value
    }
    return this.fail('has to be a plain value')
  }

  text(): string {
    const value = this.scalar()
    return typeof value === 'string' ? value : this.fail('has to be a text')
  }

  boolean(): boolean {
    const value = this.scalar()
    return typeof value === 'boolean' ? value : this.fail('has to be true or false')
  }

  integer(min = 0, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.scalar()
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      return this.fail(`has to be a whole number from ${min}`)
    }
    return value
  }

  oneOf<T extends string>(allowed: readonly T[]): T {
    const value = this.text()
    return allowed.find((one) => one === value) ?? this.fail(`has to be one of ${allowed.join(', ')}`)
  }

  items(): Field[] {
    if (!isSeq(this.#node)) return this.fail('has to be a list')
    return this.#node.items.map(
      (item, i) => new Field(this.#source, `${this.path}[${i + 1}]`, item as Node, this.#offset),
    )
  }

  /** A list, or one value that stands for a list of itself. */
  several(): Field[] {
    return this.isList ? this.items() : [this]
  }

  entries(): [key: string, value: Field][] {
    if (!isMap(this.#node)) return this.fail('has to be a mapping')
    return this.#node.items.map((pair) => {
      const keyNode = pair.key as Node
      const key = isScalar(keyNode) ? String(keyNode.value) : ''
      const offset = keyNode.range?.[0] ?? this.#offset
      const path = this.path === '' ? key : `${this.path}.${key}`
      return [key, new Field(this.#source, path, pair.value as Node | null, offset)]
    })
  }

  /** The value as a mapping with no other keys than `allowed`. */
  record(allowed: readonly string[]): ReadonlyMap<string, Field> {
    const fields = new Map(this.entries())
    for (const [key, field] of fields) {
      if (!allowed.includes(key)) field.fail(`is not known here; known are ${allowed.join(', ')}`)
    }
    return fields
  }

  /** `record`, for a value that may also be given alone, as its field `alone`. */
  recordOr(alone: string, allowed: readonly string[]): ReadonlyMap<string, Field> {
    return this.isRecord ? this.record([alone, ...allowed]) : new Map([[alone, this]])
  }

  /** The one pair of a mapping such as `tick: n1`. */
  only(): [key: string, value: Field] {
    const entries = this.entries()
    const [first] = entries
    if (first === undefined || entries.length !== 1) return this.fail('has to be a mapping with one key')
    return first
  }
}

/** A field that has to be there. */
export function need(record: ReadonlyMap<string, Field>, key: string, of: Field): Field {
  return record.get(key) ?? of.fail(`lacks ${key}`)
}
