/** `knhk sim list`. */
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags } from '../../src/terminal/flags.js'
import { LIST_SCHEMA } from '../../src/terminal/sim-schema.js'

export default class SimList extends BaseCommand {
  static override summary = 'List the faults and promises of the simulator, and the scenarios at hand.'
  static override examples = ['<%= config.bin %> sim list', '<%= config.bin %> sim list --json']
  static override schema = LIST_SCHEMA
  static override baseFlags = outputFlags

  async run(): Promise<void> {
    await this.parse(SimList)
    const { listOutput, simulatorList } = await import('../../src/terminal/sim-list.js')
    await this.print(listOutput(await simulatorList()))
  }
}
