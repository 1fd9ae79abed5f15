/**
 * `propose`: NDJSON operations into the cluster, in file order, as fast as the cluster takes them.
 * While nothing is under way a line is sent at once; meanwhile lines collect into requests of up to
 * BATCH_MAX operations, and PIPELINE_MAX requests are under way at a time. Every line is tried, and
 * each gets its own outcome. Memory is bounded by what is under way.
 */
import { KnhkError } from '../base/error.js'
import type { ErrorCode } from '../base/error-codes.js'
import type { Client, Session, SettledOperation } from '../client/api.js'
import { encodeOperation } from '../workflow/operation-codec.js'
import { operationFromJsonText } from '../workflow/operation-json.js'
import type { Operation } from '../workflow/operations.js'
import type { ByteLine } from './byte-lines.js'
import { type ErrorJson, errorJson } from './error-report.js'
import { type OperationReport, reportOf } from './operation-report.js'
import { lineRequestId, underRequestId } from './request-id.js'

export const BATCH_MAX = 256
export const BATCH_BYTES_MAX = 256 * 1024
export const PIPELINE_MAX = 16
/** Lines read ahead of the oldest one without an answer. */
const LINES_WAITING_MAX = 16_384
export const LINE_BYTES_MAX = 2 * 1024 * 1024

/** What became of one line; also a record of `--output ndjson`. */
export interface LineReport {
  readonly line: number
  readonly index: number | null
  readonly position: number | null
  readonly ok: boolean
  /** By an earlier run, under its request id. */
  readonly alreadyApplied: boolean
  readonly result: OperationReport['result'] | null
  readonly error: ErrorJson['error'] | null
}

export interface ProposeSummary {
  readonly total: number
  readonly ok: number
  readonly rejected: number
  readonly unknown: number
  readonly firstIndex: number | null
  readonly lastIndex: number | null
}

export interface ProposeOptions {
  readonly ordered: boolean
  /** With the number of its line it is that of each operation. */
  readonly requestId?: string | undefined
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Called once per line, in file order. */
  readonly onLine: (report: LineReport) => void | Promise<void>
  readonly onProgress: (done: number) => void
}

const UNKNOWN_CODES: ReadonlySet<ErrorCode> = new Set(['OutcomeUnknown', 'DeadlineExceeded', 'Aborted'])

/** Throws only what makes all of it pointless: no session at the start, an unreadable file, cancellation. */
export async function proposeLines(
  client: Client,
  lines: AsyncIterable<ByteLine>,
  options: ProposeOptions,
): Promise<ProposeSummary> {
  const run = new ProposeRun(client, options)
  await run.begin()
  for await (const line of lines) {
    options.signal.throwIfAborted()
    if (line.bytes !== null && isBlank(line.bytes)) continue
    await run.add(line)
  }
  const summary = await run.finish()
  // What was under way when the command was cancelled has an unknown outcome; the cancellation says more.
  options.signal.throwIfAborted()
  return summary
}

interface Item {
  readonly line: number
  readonly operation: Operation
  /** Under its request id, where it has one. */
  readonly sent: Operation
  readonly bytes: number
  readonly slot: Slot
}

/** A line's place in the order of reports. */
interface Slot {
  report: LineReport | null
}

class ProposeRun {
  readonly #client: Client
  readonly #options: ProposeOptions
  readonly #underWay = new Set<Promise<void>>()
  readonly #slots: Slot[] = []
  #session: Promise<Session> | null = null
  /** A request got no answer: its session may have a gap, so the next request opens another. */
  #broken = false
  #collected: Item[] = []
  #collectedBytes = 0
  #summary = {
    total: 0,
    ok: 0,
    rejected: 0,
    unknown: 0,
    firstIndex: null as number | null,
    lastIndex: null as number | null,
  }

  constructor(client: Client, options: ProposeOptions) {
    this.#client = client
    this.#options = options
  }

  async begin(): Promise<void> {
    this.#session = this.#openSession()
    await this.#session
  }

  async add(line: ByteLine): Promise<void> {
    while (this.#slots.length >= LINES_WAITING_MAX && this.#underWay.size > 0) await Promise.race(this.#underWay)
    const slot: Slot = { report: null }
    this.#slots.push(slot)
    const parsed = parseLine(line, this.#options.requestId)
    if (parsed instanceof KnhkError) {
      slot.report = failedLine(line.number, parsed)
      await this.#emit()
      return
    }
    const bytes = line.bytes?.length ?? 0
    this.#collected.push({ line: line.number, ...parsed, bytes, slot })
    this.#collectedBytes += bytes
    const full = this.#collected.length >= BATCH_MAX || this.#collectedBytes >= BATCH_BYTES_MAX
    if (!full && this.#underWay.size > 0) return
    while (this.#underWay.size >= PIPELINE_MAX) await Promise.race(this.#underWay)
    await this.#send()
  }

  async finish(): Promise<ProposeSummary> {
    while (this.#collected.length > 0 || this.#underWay.size > 0) {
      await this.#send()
      await Promise.race(this.#underWay)
    }
    await this.#emit()
    // The results are what the caller came for; a session that stays open expires by itself.
    await this.#session?.then((session) => session.close({ timeoutMs: this.#options.timeoutMs })).catch(() => undefined)
    return this.#summary
  }

  async #send(): Promise<void> {
    const items = this.#collected
    if (items.length === 0) return
    this.#collected = []
    this.#collectedBytes = 0
    if (this.#broken) await this.#renewSession()
    const sending = this.#submit(items).finally(() => {
      this.#underWay.delete(sending)
      // Lines that collected meanwhile would otherwise wait for the next line of a slow writer.
      if (this.#underWay.size === 0 && !this.#broken) void this.#send()
    })
    this.#underWay.add(sending)
  }

  async #submit(items: readonly Item[]): Promise<void> {
    const { timeoutMs, signal } = this.#options
    try {
      this.#session ??= this.#openSession()
      const session = await this.#session
      const settled = await session.submit(
        items.map((item) => item.sent),
        { timeoutMs, signal },
      )
      for (const [i, item] of items.entries()) {
        item.slot.report = await settledLine(item, settled[i] as SettledOperation, session.id)
      }
    } catch (thrown) {
      const error = thrown instanceof KnhkError ? thrown : new KnhkError('Bug', 'a request failed', { cause: thrown })
      this.#broken = true
      for (const item of items) item.slot.report ??= failedLine(item.line, error)
    }
    await this.#emit()
  }

  async #renewSession(): Promise<void> {
    await Promise.all(this.#underWay)
    this.#options.signal.throwIfAborted()
    this.#session = null
    this.#broken = false
  }

  async #openSession(): Promise<Session> {
    const { ordered, timeoutMs, signal } = this.#options
    return this.#client.openSession({ ordered, timeoutMs, signal })
  }

  /** Reports every line whose predecessors are all reported. */
  async #emit(): Promise<void> {
    while (this.#slots[0]?.report != null) {
      const report = (this.#slots.shift() as Slot).report as LineReport
      this.#count(report)
      await this.#options.onLine(report)
    }
    this.#options.onProgress(this.#summary.total)
  }

  #count(report: LineReport): void {
    const summary = this.#summary
    summary.total++
    if (report.ok) summary.ok++
    else if (report.index === null && UNKNOWN_CODES.has(report.error?.code as ErrorCode)) summary.unknown++
    else summary.rejected++
    if (report.index === null) return
    summary.firstIndex = Math.min(summary.firstIndex ?? report.index, report.index)
    summary.lastIndex = Math.max(summary.lastIndex ?? report.index, report.index)
  }
}

function parseLine(line: ByteLine, requestId: string | undefined): Pick<Item, 'operation' | 'sent'> | KnhkError {
  if (line.bytes === null)
    return new KnhkError('InvalidArgument', `line ${line.number} is over ${LINE_BYTES_MAX} bytes`)
  try {
    const operation = operationFromJsonText(line.bytes)
    const sent = underRequestId(operation, lineRequestId(requestId, line.number))
    // Not every operation may have one.
    if (sent !== operation) encodeOperation(sent)
    return { operation, sent }
  } catch (error) {
    if (error instanceof KnhkError) return error
    throw error
  }
}

async function settledLine(
  { line, operation }: Item,
  settled: SettledOperation,
  session: Session['id'],
): Promise<LineReport> {
  const { index, position, outcome } = settled
  if (!outcome.ok) {
    const error = new KnhkError(outcome.code, outcome.message, { details: outcome.details })
    return { ...failedLine(line, error), index, position }
  }
  const { alreadyApplied, result } = await reportOf(operation, settled, session)
  return { line, index, position, ok: true, alreadyApplied, result, error: null }
}

function failedLine(line: number, error: KnhkError): LineReport {
  return {
    line,
    index: null,
    position: null,
    ok: false,
    alreadyApplied: false,
    result: null,
    error: errorJson(error).error,
  }
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09)
}
