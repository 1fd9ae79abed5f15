/** Collects what is wrong with plain data, place by place: known keys, required keys, words of a list. */

export interface RegistryProblem {
  readonly file: string
  /** Which group or attribute, such as `consensus.propose/attributes[2]`; empty for the whole file. */
  readonly place: string
  readonly message: string
}

export type Fields = Readonly<Record<string, unknown>>

interface Keys {
  readonly required: readonly string[]
  readonly optional: readonly string[]
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export class Checker {
  readonly problems: RegistryProblem[] = []
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  add(place: string, message: string): void {
    this.problems.push({ file: this.#file, place, message })
  }

  /** Null, and a problem, for what is no record. */
  fields(place: string, value: unknown, keys: Keys): Fields | null {
    if (!isFields(value)) {
      this.add(place, 'has to be a record')
      return null
    }
    for (const key of Object.keys(value)) {
      if (!keys.required.includes(key) && !keys.optional.includes(key))
        this.add(place, `${key} is no key of the format`)
    }
    for (const key of keys.required) if (value[key] === undefined) this.add(place, `${key} is missing`)
    return value
  }

  items(place: string, value: unknown): readonly unknown[] {
    if (value === undefined) return []
    if (Array.isArray(value)) return value
    this.add(place, 'has to be a list')
    return []
  }

  text(place: string, fields: Fields, key: string): string | null {
    const value = fields[key]
    if (value === undefined) return null
    if (typeof value === 'string' && value !== '') return value
    this.add(place, `${key} has to be a text`)
    return null
  }

  oneOf(place: string, fields: Fields, key: string, words: readonly string[]): void {
    const value = fields[key]
    if (value === undefined || (typeof value === 'string' && words.includes(value))) return
    this.add(place, `${key} is ${JSON.stringify(value)}, none of ${words.join(', ')}`)
  }
}
