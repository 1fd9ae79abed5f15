/** `knhk cluster clients add`. */
import * as Flags from '@oclif/core/flags'
import { CLIENT_ROLES } from '../../../src/consensus/configuration.js'
import { proposingFlags } from '../../../src/terminal/cluster-command.js'
import { requiredArg } from '../../../src/terminal/flags.js'
import { GovernCommand } from '../../../src/terminal/policies/govern-command.js'

export default class ClusterClientsAdd extends GovernCommand {
  static override summary = 'Let a client key in, or change the name and role of one that is known.'
  static override description =
    `The change is in force with the next operation, in sessions that are open too. Needs the role admin. Roles, each
with all of the one before: reader, writer, operator, admin. The last admin keeps its role.`
  static override examples = [
    '<%= config.bin %> cluster clients add ben --public-key ./keys/ben.pub --role writer',
    '<%= config.bin %> cluster clients add ci --public-key 3mZyz3R0lJ4bJ0iJq1E8bS0Qd0l1Vn0m8rPp0m8n3kU= --role operator',
  ]
  static override baseFlags = proposingFlags
  static override args = { id: requiredArg('Name of the client: a-z, 0-9 and -.') }
  static override flags = {
    'public-key': Flags.string({
      summary: 'Its public key (base64 or a .pub file).',
      required: true,
      helpValue: 'KEY|FILE',
    }),
    role: Flags.option({ options: CLIENT_ROLES })({ summary: 'What it may do.', required: true }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterClientsAdd)
    const { admissibleKey } = await import('../../../src/terminal/members/newcomer.js')
    const publicKey = (await admissibleKey(flags['public-key'])) ?? new Uint8Array(0)
    const operation = { type: 'SetClient', clientId: args.id, publicKey, role: flags.role } as const
    await this.govern(operation, flags, args.id, () => `client ${args.id} is ${flags.role}`)
  }
}
