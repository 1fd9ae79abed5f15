/** `knhk registry show`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { optionalArg, outputFlags } from '../../src/terminal/flags.js'
import { REGISTRY_SHOW_SCHEMA } from '../../src/terminal/registry.js'

export default class RegistryShow extends BaseCommand {
  static override summary = 'Show what telemetry emits: attributes, spans and metrics, with their types and units.'
  static override examples = [
    '<%= config.bin %> registry show',
    '<%= config.bin %> registry show consensus.raft',
    '<%= config.bin %> registry show consensus.latency --json',
  ]
  static override exitCodes = [4]
  static override schema = REGISTRY_SHOW_SCHEMA
  static override baseFlags = outputFlags
  static override args = { name: optionalArg('One name, or the beginning of several.') }
  static override flags = {
    registry: Flags.string({ summary: 'Another registry than the own one.', helpValue: 'DIR' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RegistryShow)
    const { registryDirectory, showOutput, shownRegistry } = await import('../../src/terminal/registry.js')
    await this.print(showOutput(await shownRegistry(registryDirectory(flags.registry, this.config.root), args.name)))
  }
}
