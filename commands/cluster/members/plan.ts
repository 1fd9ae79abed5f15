/** `knhk cluster members plan`. */
import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import { KnhkError } from '../../../src/base/error.js'
import { STEPS_SCHEMA } from '../../../src/terminal/members/change-report.js'
import { CHANGE_EXIT_CODES, changeFlags } from '../../../src/terminal/members/flags.js'
import { MemberCommand } from '../../../src/terminal/members/member-command.js'
import * as schema from '../../../src/terminal/schema.js'

const maybeText = schema.nullable(schema.text)

export default class ClusterMembersPlan extends MemberCommand {
  static override summary = 'Plan a change of several members and write it to a file; nothing is changed.'
  static override description =
    `The plan holds the index of the configuration that it was made against: \`members apply\` refuses it once the
members have changed. Newcomers join first, those to be promoted get their votes, and then all that leave do at once.`
  static override examples = [
    '<%= config.bin %> cluster members plan --add n4 --add n5 --remove n1 --out plan.json',
    '<%= config.bin %> cluster members plan --add n4=10.0.3.1:4100 --member-key n4=./n4.pub --zone n4=b --out plan.json',
  ]
  static override exitCodes = CHANGE_EXIT_CODES
  static override schema = schema.record({
    format: schema.text,
    clusterId: schema.text,
    index: schema.integer,
    add: schema.list(
      schema.record({
        id: schema.text,
        address: maybeText,
        zone: maybeText,
        learner: schema.flag,
        publicKey: maybeText,
      }),
    ),
    promote: schema.list(schema.text),
    remove: schema.list(schema.text),
    steps: STEPS_SCHEMA,
  })
  static override baseFlags = changeFlags
  static override flags = {
    add: many('A new member, with its address where it is not one of this machine.', 'ID[=HOST:PORT]'),
    'member-key': many('Public key of a new member (base64 or a .pub file) that was made elsewhere.', 'ID=KEY'),
    zone: many('Zone of a new member.', 'ID=ZONE'),
    learner: many('A new member that stays without a vote.', 'ID'),
    promote: many('A learner that shall vote.', 'ID'),
    remove: many('A member that shall leave.', 'ID'),
    out: Flags.string({ summary: 'Where to write the plan.', required: true, helpValue: 'FILE' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterMembersPlan)
    const { add = [], promote = [], remove = [] } = flags
    if (add.length + promote.length + remove.length === 0) {
      throw new KnhkError('Usage', 'a plan for what?', { hint: 'Give --add, --promote or --remove.' })
    }
    const [{ newcomers }, { planJson, writePlan }, { changeSteps, checkChange }, { uuidFromBytes }] = await Promise.all(
      [
        import('../../../src/terminal/members/newcomer.js'),
        import('../../../src/terminal/members/plan-file.js'),
        import('../../../src/cluster/change-goals.js'),
        import('../../../src/workflow/uuid.js'),
      ],
    )
    const { 'member-key': keys = [], zone = [], learner = [] } = flags
    const change = { add: await newcomers({ add, 'member-key': keys, zone, learner }), promote, remove }
    const connection = await this.connect(flags)
    const local = await this.localMembers(connection.target)
    const { view } = await this.scene(connection, local, {
      expiresAtMs: performance.now() + flags.timeout,
      signal: this.signal,
      onProgress: () => undefined,
    })
    const { protocol } = connection.target.configuration
    checkChange(view, change, () => false, protocol)
    if (local !== null) for (const { id } of change.add) await local.refuseUsed(id)
    const steps = changeSteps(view, change, protocol)
    const clusterId = uuidFromBytes(connection.target.configuration.clusterId)
    const plan = planJson({ clusterId, index: view.index, change }, steps)
    const path = resolve(flags.out)
    await writePlan(path, plan)
    await this.print({
      value: plan,
      ids: [path],
      text: () =>
        [
          ...steps.map(({ text }, at) => `${at + 1}. ${text}`),
          `planned against entry ${view.index}; carry it out: knhk cluster members apply ${path}`,
        ].join('\n'),
    })
  }
}

function many(summary: string, helpValue: string) {
  return Flags.string({ summary, helpValue, multiple: true, multipleNonGreedy: true })
}
