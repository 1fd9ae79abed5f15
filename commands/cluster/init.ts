/** `knhk cluster init`. */
import * as Flags from '@oclif/core/flags'
import type { InitOptions } from '../../src/cluster/init.js'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { countFlag, outputFlags } from '../../src/terminal/flags.js'
import * as schema from '../../src/terminal/schema.js'

export default class ClusterInit extends BaseCommand {
  static override summary =
    'Make a cluster: keys, data directories and the cluster file. Without flags on a terminal it asks.'
  static override description =
    `A directory that holds a cluster already is left alone. Members whose key was made on their own host are given
with --member-key; their data directory is made there, by \`knhk node start --init\`.`
  static override examples = [
    '<%= config.bin %> cluster init --dir ./demo --nodes 3',
    '<%= config.bin %> cluster init --dir ./prod --member n1=10.0.0.1:4100 --member n2=10.0.1.1:4100 --member n3=10.0.2.1:4100 --zone n1=a --zone n2=b --zone n3=c',
    '<%= config.bin %> cluster init --dir ./prod --member n1=10.0.0.1:4100 --member-key n1=./n1.pub --election-timeout 500ms',
  ]
  static override impact = 'write' as const
  static override exitCodes = [8]
  static override schema = schema.record({
    clusterId: schema.text,
    dir: schema.text,
    clusterFile: schema.text,
    protocol: schema.text,
    created: schema.flag,
    members: schema.list(
      schema.record({ id: schema.text, address: schema.text, zone: schema.text, publicKey: schema.text }),
    ),
  })
  static override baseFlags = outputFlags
  static override flags = {
    dir: Flags.string({ summary: 'Where to make it.', env: 'KNHK_DIR', helpValue: 'DIR' }),
    nodes: countFlag('Members on this machine, on free loopback ports.', 1, 31),
    member: Flags.string({
      summary: 'A member and its address; may be given again.',
      helpValue: 'ID=HOST:PORT',
      multiple: true,
      multipleNonGreedy: true,
      exclusive: ['nodes'],
    }),
    'member-key': Flags.string({
      summary: 'Public key of a member (base64 or a .pub file) that was made elsewhere.',
      helpValue: 'ID=KEY',
      multiple: true,
      multipleNonGreedy: true,
      dependsOn: ['member'],
    }),
    zone: Flags.string({ summary: 'Zone of a member.', helpValue: 'ID=ZONE', multiple: true, multipleNonGreedy: true }),
    protocol: Flags.option({ options: ['raft', 'pbft', 'hotstuff', 'hybrid'] as const })({
      summary: 'What decides: raft bears nodes that fail, pbft and hotstuff nodes that lie.',
      default: 'raft',
    }),
    'election-timeout': Flags.string({
      summary: 'Shortest election time-out; the longest is twice that, the heartbeat a third.',
      helpValue: 'DURATION',
    }),
    residency: Flags.string({
      summary: 'Hybrid: how long a Byzantine epoch lasts at least (30 s).',
      helpValue: 'DURATION',
    }),
    'request-timeout': Flags.string({
      summary: 'pbft, hotstuff: how long a request may wait before the node that proposes is given up; 2s.',
      helpValue: 'DURATION',
    }),
    'commit-rule': countFlag('hotstuff: certified blocks in a row that commit the first of them; 3.', 2, 3),
    'commit-zones': countFlag('raft: in so many zones an entry is held before it is acknowledged: 2.', 2, 2),
    'prefer-zone': Flags.string({
      summary: 'raft: a zone where the leader shall stand; given again, the next best.',
      helpValue: 'ZONE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    priority: Flags.string({
      summary: 'raft: how much a member is preferred as leader, 0 to 100.',
      helpValue: 'ID=NUMBER',
      multiple: true,
      multipleNonGreedy: true,
    }),
    'lease-drift': Flags.string({
      summary: 'Turns lease reads on: how far clocks may drift apart within one election time-out.',
      helpValue: 'DURATION',
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterInit)
    const asks =
      this.given.size === 0 && process.stdin.isTTY === true && process.stderr.isTTY === true && this.session === null
    const { initOptions, initOutput } = await import('../../src/terminal/cluster-init.js')
    const options = asks ? await this.#ask(flags.dir ?? null) : await initOptions(flags)
    const { initCluster } = await import('../../src/cluster/init.js')
    const made = await initCluster(options)
    if (!made.created) this.note(`${made.dir} holds a cluster already; it is left as it is`)
    await this.print(initOutput(made))
  }

  async #ask(dir: string | null): Promise<InitOptions> {
    const { askInitOptions } = await import('../../src/terminal/init-wizard.js')
    return askInitOptions({ dir, signal: this.signal, note: (text) => this.note(text) })
  }
}
