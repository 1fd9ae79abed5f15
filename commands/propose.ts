/** `knhk propose`. */
import * as Flags from '@oclif/core/flags'
import { KnhkError } from '../src/base/error.js'
import { ClusterCommand, clusterFlags } from '../src/terminal/cluster-command.js'
import { timeoutFlag } from '../src/terminal/flags.js'
import { WRITE_EXIT_CODES } from '../src/terminal/operation-report.js'
import { requestIdFlag } from '../src/terminal/request-id.js'
import * as schema from '../src/terminal/schema.js'

const PROPOSE_TIMEOUT_MS = 30_000
const ERRORS_SHOWN_MAX = 10

export default class Propose extends ClusterCommand {
  static override summary = 'Propose operations from flags, a file or standard input (NDJSON).'
  static override description = `One JSON object per line:
  { "type": "CreateCase", "caseId": UUID, "specId": UUID, "data": {...} }
  { "type": "UpdateCaseState", "caseId": UUID, "newState": "running|suspended|completed|failed|cancelled", "error": TEXT }
  { "type": "Custom", "operation": "kv.put|kv.get|kv.delete|kv.cas", "data": { "key": K, "value": V, "expected": V or null } }
  { "type": "DeployOverlay", "overlayId": ID, "base": HASH, "scope": {...}, "changes": [...] }
  { "type": "AdvanceOverlay", "overlayId": ID, "to": "Test|Validate|Promote|Promoted" }
  { "type": "RollbackOverlay", "overlayId": ID, "reason": TEXT }
  { "type": "ComposeOverlays", "overlayId": ID, "strategy": "Sequential|Parallel|Merge", "overlays": [ID, ID] }
  { "type": "SetOverlayMode", "mode": "Normal|Conservative|Frozen" }
  { "type": "ApplyPolicy", "policyId": ID, "policy": {...} }, { "type": "RetractPolicy", "policyId": ID }
  { "type": "SetClient", "clientId": ID, "publicKey": BASE64, "role": ROLE }, { "type": "RemoveClient", "clientId": ID }
  { "type": "SetQuota", "casesMax": N, … }, { "type": "PurgeCases", "caseIds": [UUID, …] }
  { "type": "Approved", "operation": {...}, "approvals": [...] }, as \`policy approve\` prints it
With --request-id ID the operation of line N has the request id ID:N: a run that was interrupted is given again,
and applies only what the first one did not.
Every line is tried and has its own outcome. Exit code 0: all applied; 1: some rejected; 6: the outcome of some is unknown.`
  static override examples = [
    '<%= config.bin %> propose --file cases.ndjson',
    'generate | <%= config.bin %> propose --file - --output ndjson',
    `<%= config.bin %> propose --operation '{"type":"Custom","operation":"kv.put","data":{"key":"a","value":"1"}}' --json`,
  ]
  static override impact = 'write' as const
  static override idempotent = false
  static override exitCodes = WRITE_EXIT_CODES
  static override schema = schema.record({
    total: schema.integer,
    ok: schema.integer,
    rejected: schema.integer,
    unknown: schema.integer,
    firstIndex: schema.nullable(schema.integer),
    lastIndex: schema.nullable(schema.integer),
  })
  static override baseFlags = { ...clusterFlags, timeout: timeoutFlag(PROPOSE_TIMEOUT_MS) }
  static override flags = {
    file: Flags.string({
      char: 'f',
      summary: 'NDJSON file; - for standard input.',
      helpValue: 'FILE',
      exactlyOne: ['file', 'operation'],
    }),
    operation: Flags.string({
      summary: 'One operation; may be given again.',
      helpValue: 'JSON',
      multiple: true,
      multipleNonGreedy: true,
    }),
    'request-id': requestIdFlag,
    unordered: Flags.boolean({ summary: 'Give up the order of the lines for speed.' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Propose)
    if (flags.file === '-' && this.session !== null) {
      throw new KnhkError('Usage', 'the REPL itself reads standard input', {
        hint: 'Give --operation JSON, or --file with a file.',
      })
    }
    const { openLines, LINE_BYTES_MAX, proposeLines } = await import('../src/terminal/propose.js')
    const lines = await openLines(flags.file ?? null, flags.operation ?? [], LINE_BYTES_MAX, this.signal)
    const { client } = await this.connect(flags)
    const progress = await this.progress('proposing')
    let shown = 0
    let repeated = 0
    const summary = await proposeLines(client, lines, {
      ordered: !flags.unordered,
      requestId: flags['request-id'],
      timeoutMs: flags.timeout,
      signal: this.signal,
      onProgress: (done) => progress.update(`${done} proposed`),
      onLine: async (report) => {
        if (report.alreadyApplied) repeated++
        if (this.format === 'ndjson') await this.write(`${JSON.stringify(report)}\n`)
        else if (this.format === 'table' && report.error !== null && shown++ < ERRORS_SHOWN_MAX) {
          this.note(`line ${report.line}: [${report.error.code}] ${report.error.message}`)
        }
      },
    }).finally(() => progress.stop())
    if (shown > ERRORS_SHOWN_MAX) this.note(`… and ${shown - ERRORS_SHOWN_MAX} more; --output ndjson lists all`)
    if (repeated > 0) {
      const where = summary.total === 1 ? `at index ${summary.firstIndex}` : 'by earlier runs'
      this.note(`${repeated} of ${summary.total} already applied ${where}`)
    }
    if (this.format !== 'ndjson') {
      const { total, ok, rejected, unknown, firstIndex, lastIndex } = summary
      await this.print({
        value: summary,
        text: ({ fields }) =>
          fields([
            ['proposed', total],
            ['ok', ok],
            ['rejected', rejected],
            ['unknown', unknown],
            ['indexes', firstIndex === null ? null : `${firstIndex} … ${lastIndex}`],
          ]),
      })
    }
    this.endWith(summary.unknown > 0 ? 6 : summary.rejected > 0 ? 1 : 0)
  }
}
