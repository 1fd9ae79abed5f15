/**
 * Time travel for `sim step`: a story, or a free cluster of one seed, and a list of what was done. The
 * cores are deterministic, so going back is doing it all again up to the moment before.
 */
import { KnhkError } from '../base/error.js'
import { describeMessage, ScenarioRun } from '../simulator/scenario/index.js'

/** Done things that a session remembers; going back repeats them. */
const DONE_MAX = 10_000
/** Events that `run` does where no story ends it. */
const RUN_EVENTS = 200

interface Source {
  readonly text: string
  readonly file: string
}

/** A step of the story, the next event of a free cluster, or a step that was typed. */
type Done = { readonly kind: 'next' } | { readonly kind: 'event' } | { readonly kind: 'typed'; readonly text: string }

export const STEP_COMMANDS: readonly (readonly [usage: string, summary: string])[] = [
  ['step [N]', 'the next N steps of the story, or events of the cluster (1)'],
  ['back [N]', 'N of them undone (1)'],
  ['run', 'to the end of the story, or 200 events'],
  ['list', 'the steps of the story, and where it is'],
  ['messages', 'what is on its way'],
  ['state [NODE]', 'every node in a line, or one in full'],
  ['deliver WHAT', 'a message by its number, or by a pattern such as n1 -> n2'],
  ['drop WHAT', 'the same, lost'],
  ['crash NODE', 'the process ends; what is not on disk is gone'],
  ['restart NODE', 'and it starts again'],
  ['do STEP', 'any step of a scenario, such as: do propose: n1'],
  ['help', 'this list'],
  ['quit', 'the end'],
]

/** A scenario of `nodes` fresh nodes. */
export function freeScenario(seed: number, nodes: number): string {
  return `title: ${nodes} nodes\nwhy: To look at.\nsource: seed ${seed}\nseed: ${seed}\nnodes: ${nodes}\nsteps: []\n`
}

export class StepSession {
  readonly #source: Source
  #run: ScenarioRun
  #done: Done[] = []
  /** What went wrong; null while nothing did. A story goes no further then. */
  #failure: string | null = null

  private constructor(source: Source, run: ScenarioRun) {
    this.#source = source
    this.#run = run
  }

  /** Throws `InvalidFile`. */
  static async open(source: Source): Promise<StepSession> {
    return new StepSession(source, await ScenarioRun.open(source.text, source.file))
  }

  get failed(): boolean {
    return this.#failure !== null
  }

  get isOver(): boolean {
    return this.failed || (this.#isStory && this.#run.position >= this.#run.steps.length)
  }

  get #isStory(): boolean {
    return this.#run.steps.length > 0
  }

  title(): string {
    const { title, steps } = this.#run
    return this.#isStory ? `${title} (${steps.length} steps)` : `${title}; every step is the next event`
  }

  /** Does one line; its text for people. Throws `InvalidArgument` and `InvalidFile`. */
  async execute(line: string): Promise<string> {
    const [, command = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line.trim()) ?? []
    switch (command) {
      case 'step':
        return this.#advance(count(rest))
      case 'back':
        return this.#back(count(rest))
      case 'run':
        return this.#advance(this.#isStory ? this.#run.steps.length : RUN_EVENTS)
      case 'list':
        return this.#list()
      case 'messages':
        return this.#run.world.messages.map(describeMessage).join('\n') || 'nothing is on its way'
      case 'state':
        return rest === '' ? this.#states() : this.#state(rest)
      case 'deliver':
      case 'drop':
        return this.#type(`${command}: '${/^\d+$/.test(rest) ? `#${rest}` : rest.replaceAll("'", '')}'`)
      case 'crash':
      case 'restart':
        return this.#type(`${command}: ${rest}`)
      case 'do':
        return this.#type(rest)
      case 'help':
        return STEP_COMMANDS.map(([usage, summary]) => `${usage.padEnd(14)}${summary}`).join('\n')
      default:
        throw new KnhkError('InvalidArgument', `there is no command ${command}`, { hint: '`help` lists them.' })
    }
  }

  async #advance(times: number): Promise<string> {
    const lines: string[] = []
    for (let i = 0; i < times; i++) {
      if (this.isOver) {
        if (lines.length === 0) lines.push(this.#failure ?? 'the story is over')
        break
      }
      lines.push(await this.#do({ kind: this.#isStory ? 'next' : 'event' }))
    }
    return lines.join('\n')
  }

  async #back(times: number): Promise<string> {
    const kept = this.#done.slice(0, Math.max(0, this.#done.length - times))
    const undone = this.#done.length - kept.length
    this.#run = await ScenarioRun.open(this.#source.text, this.#source.file)
    this.#done = []
    this.#failure = null
    for (const done of kept) await this.#do(done)
    return `${undone} undone\n${this.#where()}`
  }

  async #type(text: string): Promise<string> {
    return this.#do({ kind: 'typed', text })
  }

  async #do(done: Done): Promise<string> {
    if (this.#done.length >= DONE_MAX) throw new KnhkError('ResourceExhausted', 'the session remembers no more steps')
    const said = await this.#perform(done)
    this.#done.push(done)
    return said
  }

  async #perform(done: Done): Promise<string> {
    if (done.kind === 'event') return this.#event()
    const step = done.kind === 'next' ? this.#run.steps[this.#run.position] : undefined
    const failure = done.kind === 'next' ? await this.#run.next() : await this.#run.perform(done.text)
    const text = done.kind === 'typed' ? done.text : `${step?.line}: ${step?.text.replaceAll(/\s+/g, ' ')}`
    if (failure === null) return text
    const said = `${text}\n  ${failure.file}:${failure.line}: ${failure.message}`
    if (done.kind === 'next') this.#failure = said
    return said
  }

  /** What happens next by itself: the oldest message that can arrive, or else the first timer. */
  async #event(): Promise<string> {
    const { world } = this.#run
    const message = world.messages.find((one) => world.isDeliverable(one))
    if (message !== undefined) {
      await world.deliver([message])
      return `delivered ${describeMessage(message)}`
    }
    const timer = world.nextTimer()
    if (timer === null) return 'nothing happens any more'
    world.pass(timer.inMs)
    await timer.node.step({ type: 'tick' })
    return `${timer.inMs.toFixed(1)} ms later the timer of ${timer.node.id} runs out`
  }

  #where(): string {
    const { position, steps } = this.#run
    return this.#isStory ? `at step ${position} of ${steps.length}` : `after ${this.#done.length} events`
  }

  #list(): string {
    if (!this.#isStory) return 'no story: every step is the next event'
    return this.#run.steps
      .map(({ line, text }, i) => `${i === this.#run.position ? '>' : ' '} ${line}: ${text.replaceAll(/\s+/g, ' ')}`)
      .join('\n')
  }

  #states(): string {
    const lines = [...this.#run.world.nodes.values()].map((node) => {
      if (node.core === null) return `${node.id}  ${node.byHand ? 'played by hand' : 'down'}`
      const { role, term, leader, lastIndex, commitIndex } = node.core.status()
      return `${node.id}  ${role} of term ${term}, leader ${leader ?? 'unknown'}, last ${lastIndex}, commit ${commitIndex}`
    })
    return lines.join('\n')
  }

  #state(id: string): string {
    const node = this.#run.world.node(id)
    const facts: [string, unknown][] = [
      ['vote', node.view.hardState.votedFor ?? 'nobody'],
      ['log', `${node.view.base.index} | ${node.view.entries.map((entry) => entry.term).join(' ')}`],
      ['applied', node.appliedIndex],
      ['on disk up to', node.durable.lastIndex],
      ['open writes', node.writes.length],
      ['clock', `${node.clockMs.toFixed(1)} ms`],
    ]
    const status = node.core?.status()
    for (const peer of status?.peers ?? []) {
      facts.push([`peer ${peer.id}`, `match ${peer.matchIndex}, ${peer.flow}${peer.active ? '' : ', silent'}`])
    }
    const head = this.#states().split('\n')[[...this.#run.world.nodes.keys()].indexOf(id)] as string
    return [head, ...facts.map(([name, value]) => `  ${name}: ${String(value)}`)].join('\n')
  }
}

function count(text: string): number {
  if (text === '') return 1
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new KnhkError('InvalidArgument', `${text} is no number of steps`)
  return value
}
