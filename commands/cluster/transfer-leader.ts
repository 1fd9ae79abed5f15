/** `knhk cluster transfer-leader`. */
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { optionalArg } from '../../src/terminal/flags.js'
import * as schema from '../../src/terminal/schema.js'

export default class ClusterTransferLeader extends ClusterCommand {
  static override summary = 'Hand the leadership over, to a member or to the most complete one, and wait for it.'
  static override examples = [
    '<%= config.bin %> cluster transfer-leader n2',
    '<%= config.bin %> cluster transfer-leader --timeout 5 --json',
  ]
  static override impact = 'write' as const
  static override exitCodes = [4, 5, 6, 7, 8]
  static override schema = schema.record({
    from: schema.text,
    to: schema.text,
    term: schema.nullable(schema.integer),
    view: schema.nullable(schema.integer),
    round: schema.nullable(schema.integer),
    mode: schema.text,
    changed: schema.flag,
    elapsedMs: schema.integer,
  })
  static override baseFlags = clusterFlags
  static override args = { id: optionalArg('Who shall lead; the leader chooses if absent.') }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterTransferLeader)
    const { client } = await this.connect(flags)
    const { requireReachable } = await import('../../src/terminal/status-report.js')
    requireReachable(await client.clusterStatus({ timeoutMs: flags.timeout, signal: this.signal }))
    const { transferLeader } = await import('../../src/terminal/transfer-leader.js')
    const { TURNS } = await import('../../src/terminal/turn.js')
    const progress = await this.progress('handing over')
    const transfer = await transferLeader(client, args.id ?? null, {
      expiresAtMs: performance.now() + flags.timeout,
      signal: this.signal,
      onProgress: (text) => progress.update(text),
    }).finally(() => progress.stop())
    await this.print({
      value: transfer,
      ids: [transfer.to],
      text: ({ fields }) =>
        fields([
          ['leader', transfer.changed ? `${transfer.to}, was ${transfer.from}` : `${transfer.to}, as before`],
          [TURNS[transfer.mode], transfer[TURNS[transfer.mode]]],
          ['after', `${transfer.elapsedMs} ms`],
        ]),
    })
  }
}
