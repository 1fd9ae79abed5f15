/** `knhk registry check`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { outputFlags } from '../../src/terminal/flags.js'
import { REGISTRY_CHECK_SCHEMA } from '../../src/terminal/registry.js'

export default class RegistryCheck extends BaseCommand {
  static override summary =
    'Check the telemetry registry against the published format. Exit code 10 where it breaks it.'
  static override description =
    `Knows the keys and words of the \`groups\` form that OpenTelemetry Weaver reads, and checks that every reference leads
to a declaration. Weaver itself reads the same directory: \`weaver registry check -r DIR\`.`
  static override examples = [
    '<%= config.bin %> registry check',
    '<%= config.bin %> registry check --registry ./registry --json',
  ]
  static override exitCodes = [4, 10]
  static override schema = REGISTRY_CHECK_SCHEMA
  static override baseFlags = outputFlags
  static override flags = {
    registry: Flags.string({ summary: 'Another registry than the own one.', helpValue: 'DIR' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(RegistryCheck)
    const { checkedRegistry, checkOutput, registryDirectory } = await import('../../src/terminal/registry.js')
    const report = await checkedRegistry(registryDirectory(flags.registry, this.config.root))
    await this.print(checkOutput(report))
    if (!report.ok) this.endWith(10)
  }
}
