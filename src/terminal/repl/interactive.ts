/**
 * The REPL for a person: prompt, completion, history, Ctrl-C, and notices when the leader changes.
 */
import { clearLine, createInterface, cursorTo, type Interface } from 'node:readline'
import type { ClusterStatus } from '../../client/api.js'
import { readContexts } from '../../cluster/contexts.js'
import type { Paint } from '../colours.js'
import { liveValues, QUERIED_KINDS, type QueriedKind } from '../completion/live-values.js'
import { type ErrorReport, errorText } from '../error-report.js'
import { columnsOf, folded } from '../fold.js'
import { changeNotices, connectionNotice } from '../notices.js'
import { complete } from './completer.js'
import {
  DOT_COMMANDS,
  type DotContext,
  isDotCommand,
  nestedLine,
  recordStatement,
  runDotCommand,
} from './dot-commands.js'
import { HISTORY_LINES_MAX, type History } from './history.js'
import { LineFeed } from './line-feed.js'
import { promptText } from './prompt.js'
import { type Statement, StatementReader } from './statements.js'

const STATUS_POLL_MS = 2_000
/** That wait while a command runs. */
const NOTICES_MAX = 20
const CONTINUATION = '... '
/** Nouns whose commands may change what Tab offers. */
const NAMING_NOUNS: readonly string[] = ['.use', 'case', 'policy', 'overlay', 'cluster']

export interface InteractiveOptions {
  readonly context: DotContext
  readonly history: History
  readonly paint: Paint
  /** Ends the session. */
  readonly signal: AbortSignal
}

export async function runInteractive(options: InteractiveOptions): Promise<void> {
  const contexts = await readContexts(process.env).then(
    (read) => [...read.contexts.keys()],
    () => [],
  )
  const status = await currentStatus(options.context)
  await new InteractiveRepl(options, contexts, status).run()
}

class InteractiveRepl {
  readonly #options: InteractiveOptions
  readonly #reader = new StatementReader()
  readonly #lines: Interface
  #status: ClusterStatus | null
  /** For completion. */
  #values: Readonly<Record<QueriedKind, readonly string[]>> = { case: [], policy: [], overlay: [], client: [] }
  /** Told when the command that runs is done. */
  readonly #notices: string[] = []

  constructor(options: InteractiveOptions, contexts: readonly string[], status: ClusterStatus | null) {
    this.#options = options
    this.#status = status
    const { config } = options.context.session
    const known = { commands: config.commands, dotCommands: Object.keys(DOT_COMMANDS) }
    this.#lines = createInterface({
      input: process.stdin,
      output: process.stdout,
      history: options.history.newestFirst,
      historySize: HISTORY_LINES_MAX,
      removeHistoryDuplicates: true,
      completer: (line: string) =>
        complete(line, { ...known, values: { ...this.#values, context: contexts, node: this.#nodes() } }),
    })
  }

  async run(): Promise<void> {
    const lines = this.#lines
    const stop = () => lines.close()
    this.#options.signal.addEventListener('abort', stop, { once: true })
    lines.on('SIGINT', () => this.#interrupt())
    const poll = setInterval(() => void this.#poll(), STATUS_POLL_MS)
    // Nothing is awaited between making the interface and reading from it: lines would be lost.
    const feed = new LineFeed(lines)
    const { context } = this.#options
    context.session.lineReader = async (prompt, running) => {
      lines.setPrompt(prompt)
      lines.prompt()
      return nestedLine(await feed.next(running), context)
    }
    void this.#refreshValues()
    this.#welcome()
    this.#prompt()
    for (let line = await feed.next(); line !== null; line = await feed.next()) {
      await this.#line(line)
      if (context.isOver) break
      this.#tellNotices()
      this.#prompt()
    }
    clearInterval(poll)
    this.#options.signal.removeEventListener('abort', stop)
    lines.close()
    if (!this.#options.context.isOver) process.stdout.write('\n')
  }

  #welcome(): void {
    const { session } = this.#options.context
    const { name, configuration } = session.connection.target
    const { length } = this.#nodes()
    const whole = `knhk ${session.config.version} on ${name}: ${length} ${length === 1 ? 'node' : 'nodes'}, ${configuration.protocol}. Tab completes, help lists the commands, .help what else there is, .exit leaves.`
    process.stdout.write(`${this.#options.paint('dim', folded(whole, columnsOf(process.stdout)))}\n`)
  }

  async #line(line: string): Promise<void> {
    const { context, history } = this.#options
    await history.add(line)
    const result = this.#reader.add(line)
    if (result.kind === 'more') return
    if (result.kind === 'broken') {
      process.stderr.write(`${result.problem}\n`)
      return
    }
    const { words } = result.statement
    const startedMs = performance.now()
    if (words[0] === 'exit' || words[0] === 'quit') context.isOver = true
    else await this.#run(result.statement)
    if (words[0] === '.use') this.#status = await currentStatus(context)
    if (NAMING_NOUNS.includes(words[0] ?? '')) void this.#refreshValues()
    if (context.timing)
      process.stderr.write(this.#options.paint('dim', `${Math.round(performance.now() - startedMs)} ms\n`))
  }

  async #run(statement: Statement): Promise<void> {
    const { context } = this.#options
    if (isDotCommand(statement.words)) {
      const report = await runDotCommand(statement.words, context)
      this.#tell(report)
      await recordStatement(statement, report?.error.code ?? null, context)
      return
    }
    const { exitCode, report, unreported } = await context.session.run(statement.words)
    this.#tell(unreported)
    await recordStatement(statement, exitCode === 0 ? null : (report?.error.code ?? `exit ${exitCode}`), context)
  }

  #tell(report: ErrorReport | null): void {
    if (report !== null) process.stderr.write(`${errorText(report, { verbose: false, paint: this.#options.paint })}\n`)
  }

  /** Ctrl-C: the command, then the line, then a hint; never the session. */
  #interrupt(): void {
    const { session } = this.#options.context
    if (session.isRunning) {
      session.cancel()
      return
    }
    const isEmpty = this.#lines.line === '' && !this.#reader.isOpen
    this.#reader.clear()
    process.stdout.write(isEmpty ? '\nLeave with .exit or Ctrl-D.\n' : '^C\n')
    // Ctrl-U and Ctrl-K of the line editor: empties the line on both sides of the cursor.
    this.#lines.write(null, { ctrl: true, name: 'e' })
    this.#lines.write(null, { ctrl: true, name: 'u' })
    this.#prompt()
  }

  async #poll(): Promise<void> {
    const before = this.#status
    const { context } = this.#options
    const after = await currentStatus(context)
    if (context.isOver) return
    this.#status = after
    const connection = connectionNotice(before, after)
    if (connection !== null) this.#notices.push(connection)
    else if (after !== null) this.#notices.push(...changeNotices(before, after))
    if (this.#notices.length > NOTICES_MAX) this.#notices.splice(0, this.#notices.length - NOTICES_MAX)
    if (this.#notices.length === 0) return
    if (context.session.isRunning) return
    clearLine(process.stdout, 0)
    cursorTo(process.stdout, 0)
    this.#tellNotices()
    this.#prompt(true)
  }

  #tellNotices(): void {
    for (const notice of this.#notices.splice(0))
      process.stderr.write(`${this.#options.paint('yellow', `* ${notice}`)}\n`)
  }

  #prompt(keepCursor = false): void {
    const { context, paint } = this.#options
    const { name } = context.session.connection.target
    this.#lines.setPrompt(this.#reader.isOpen ? CONTINUATION : promptText(name, this.#status, paint))
    this.#lines.prompt(keepCursor)
  }

  async #refreshValues(): Promise<void> {
    const { client } = this.#options.context.session.connection
    const lists = await Promise.all(
      // What cannot be listed now is as it was.
      QUERIED_KINDS.map((kind) => liveValues(client, kind, { read: 'local' }).catch(() => this.#values[kind])),
    )
    const named = QUERIED_KINDS.map((kind, i): [QueriedKind, readonly string[]] => [kind, lists[i] ?? []])
    this.#values = Object.fromEntries(named) as Record<QueriedKind, readonly string[]>
  }

  /** The status follows the replicated members; before the first one there is the cluster file. */
  #nodes(): string[] {
    const { configuration } = this.#options.context.session.connection.target
    const members: readonly { readonly id: string }[] = this.#status?.nodes ?? configuration.members
    return members.map(({ id }) => id)
  }
}

/** Null when nothing can be said. */
async function currentStatus({ session }: DotContext): Promise<ClusterStatus | null> {
  return session.connection.client.clusterStatus().catch(() => null)
}
