/**
 * Runs scenarios: as a whole for tests and `knhk sim run`, or step by step for `knhk sim step`. A run
 * is a function of its text: going back is running again up to an earlier step.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KnhkError } from '../../base/error.js'
import { holdsOf } from './expect.js'
import { type Field, need, parseFields } from './field.js'
import { BrokenRule, RULES } from './rules.js'
import { HEAD_KEYS, setUp } from './setup.js'
import { STEPS } from './steps.js'
import { Unmet } from './unmet.js'
import type { World } from './world.js'

const FILE_BYTES_MAX = 1 << 20

export interface ScenarioFailure {
  readonly file: string
  readonly line: number
  /** Counted from 1; 0 for the head. */
  readonly step: number
  /** The step as it is written. */
  readonly text: string
  readonly message: string
}

export interface ScenarioResult {
  readonly file: string
  readonly title: string
  readonly source: string
  readonly steps: number
  /** Null where everything went as told. */
  readonly failure: ScenarioFailure | null
}

/** Runs the scenario in `text`. Throws `InvalidFile` with file and line where it is not one. */
export async function runScenario(text: string, file = 'scenario'): Promise<ScenarioResult> {
  const run = await ScenarioRun.open(text, file)
  let failure: ScenarioFailure | null = null
  while (failure === null && run.position < run.steps.length) failure = await run.next()
  const { title, source, steps } = run
  return { file, title, source, steps: steps.length, failure }
}

/** Runs a file. Throws `InvalidFile` where it cannot be read or is not a scenario. */
export async function runScenarioFile(path: string): Promise<ScenarioResult> {
  return runScenario(await readScenario(path), path)
}

/** Throws `InvalidFile`. */
export async function readScenario(path: string): Promise<string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new KnhkError('InvalidFile', `${path} cannot be read`, { cause })
  }
  if (text.length > FILE_BYTES_MAX) throw new KnhkError('InvalidFile', `${path} is larger than a scenario may be`)
  return text
}

/** Paths of all scenario files below a directory, in order. */
export async function listScenarios(directory: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) found.push(...(await listScenarios(path)))
    else if (entry.name.endsWith('.yaml')) found.push(path)
  }
  return found.sort()
}

export interface ScenarioStep {
  readonly name: string
  readonly line: number
  readonly text: string
}

export class ScenarioRun {
  readonly file: string
  readonly title: string
  readonly source: string
  readonly world: World
  readonly steps: readonly ScenarioStep[]
  /** Steps done. */
  position = 0
  readonly #fields: readonly Field[]
  readonly #never: readonly Field[]

  private constructor(file: string, head: ReadonlyMap<string, Field>, document: Field, world: World) {
    this.file = file
    this.title = need(head, 'title', document).text()
    need(head, 'why', document).text()
    this.source = need(head, 'source', document).text()
    this.world = world
    this.#fields = need(head, 'steps', document).items()
    this.steps = this.#fields.map((field) => {
      const [name] = field.only()
      if (STEPS[name] === undefined) field.fail(`is no step: ${name}; known are ${Object.keys(STEPS).join(', ')}`)
      return { name, line: field.line, text: field.source }
    })
    this.#never = readNever(head.get('never'), world)
  }

  /** Sets the story up. Throws `InvalidFile`. */
  static async open(text: string, file: string): Promise<ScenarioRun> {
    const document = parseFields(text, file)
    const head = document.record(HEAD_KEYS)
    return new ScenarioRun(file, head, document, await setUp(head, document))
  }

  /** Does the next step. What did not go as told, or null. Throws `InvalidFile`. */
  async next(): Promise<ScenarioFailure | null> {
    const field = this.#fields[this.position]
    if (field === undefined) throw new KnhkError('InvalidArgument', 'the story is over')
    this.position++
    return this.#perform(field, this.file, this.position)
  }

  /** Does one more step that is not in the file, such as `deliver: n1 -> n2`. Throws `InvalidFile`. */
  async perform(text: string): Promise<ScenarioFailure | null> {
    return this.#perform(parseFields(text, 'input'), 'input', this.position)
  }

  async #perform(field: Field, file: string, step: number): Promise<ScenarioFailure | null> {
    const [name, argument] = field.only()
    const perform = STEPS[name]
    if (perform === undefined) return field.fail(`is no step: ${name}`)
    try {
      await perform(this.world, argument)
      this.#checkNever()
      return null
    } catch (error) {
      if (error instanceof KnhkError && error.code === 'InvalidFile') throw error
      if (!(error instanceof Unmet || error instanceof BrokenRule || error instanceof KnhkError)) throw error
      const line = (error instanceof Unmet ? error.line : null) ?? field.line
      return { file, line, step, text: field.source, message: error.message }
    }
  }

  #checkNever(): void {
    for (const field of this.#never) {
      const [id, facts] = field.only()
      const node = this.world.node(id)
      if (node.core !== null && holdsOf(node, facts)) throw new Unmet(`this must never hold: ${field.source}`)
    }
  }
}

/** Names of rules, which are checked anyway, and facts of nodes that must at no moment hold. */
function readNever(field: Field | undefined, world: World): Field[] {
  return (field?.several() ?? []).filter((item) => {
    if (item.isRecord) {
      const [id] = item.only()
      if (!world.nodes.has(id)) item.fail(`names an unknown node ${id}`)
      return true
    }
    item.oneOf(RULES)
    return false
  })
}
