/** `knhk node status`. */
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import * as schema from '../../src/terminal/schema.js'

const maybeText = schema.nullable(schema.text)
const maybeInteger = schema.nullable(schema.integer)

export default class NodeStatus extends ClusterCommand {
  static override summary = 'Show the nodes of a cluster: their processes on this machine and what they answer.'
  static override examples = [
    '<%= config.bin %> node status --dir ./demo',
    '<%= config.bin %> node status --dir ./demo --node n2 --json',
  ]
  static override exitCodes = [4]
  static override schema = schema.record({
    nodes: schema.list(
      schema.record({
        id: schema.text,
        address: schema.text,
        pid: maybeInteger,
        running: schema.nullable(schema.flag),
        reachable: schema.flag,
        role: maybeText,
        term: maybeInteger,
        lastIndex: maybeInteger,
        commitIndex: maybeInteger,
        appliedIndex: maybeInteger,
        version: maybeText,
        disk: schema.nullable(
          schema.record({
            usedBytes: schema.integer,
            quotaBytes: maybeInteger,
            freeBytes: schema.integer,
            reserveBytes: schema.integer,
            ballastBytes: schema.integer,
            isFull: schema.flag,
          }),
        ),
        dataDir: maybeText,
        logFile: maybeText,
        errorCode: maybeText,
      }),
    ),
  })
  static override baseFlags = clusterFlags
  static override flags = { node: Flags.string({ summary: 'Only this one.', helpValue: 'ID' }) }

  async run(): Promise<void> {
    const { flags } = await this.parse(NodeStatus)
    const { client, target } = await this.connect(flags)
    const { diskText, nodeReports } = await import('../../src/terminal/node-report.js')
    const nodes = await nodeReports(client, target, flags.node ?? null, {
      timeoutMs: flags.timeout,
      signal: this.signal,
    })
    await this.print({
      value: { nodes },
      items: nodes,
      ids: nodes.map((node) => node.id),
      text: ({ table }) =>
        table(
          ['node', 'address', 'pid', 'role', 'term', 'last', 'applied', 'disk', 'answers'],
          nodes.map((node) => [
            node.id,
            node.address,
            node.pid ?? (node.running === false ? 'not running' : null),
            node.role,
            node.term,
            node.lastIndex,
            node.appliedIndex,
            diskText(node.disk),
            node.reachable ? 'yes' : node.errorCode,
          ]),
        ),
    })
  }
}
