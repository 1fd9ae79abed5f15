/** `knhk cluster clients remove`. */
import { proposingFlags } from '../../../src/terminal/cluster-command.js'
import { requiredArg } from '../../../src/terminal/flags.js'
import { GovernCommand } from '../../../src/terminal/policies/govern-command.js'

export default class ClusterClientsRemove extends GovernCommand {
  static override summary = 'Shut a client out: its key and its sessions end at once.'
  static override description = 'Needs the role admin. The last admin stays.'
  static override examples = ['<%= config.bin %> cluster clients remove ben']
  static override idempotent = false
  static override baseFlags = proposingFlags
  static override args = { id: requiredArg('Name of the client.') }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterClientsRemove)
    const operation = { type: 'RemoveClient', clientId: args.id } as const
    await this.govern(operation, flags, args.id, () => `client ${args.id} is removed`)
  }
}
