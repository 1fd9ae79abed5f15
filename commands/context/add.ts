/** `knhk context add`. */
import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../../src/terminal/base-command.js'
import { CONTEXT_SCHEMA, contextOutput } from '../../src/terminal/context-report.js'
import { outputFlags, requiredArg } from '../../src/terminal/flags.js'

export default class ContextAdd extends BaseCommand {
  static override summary = 'Name a cluster: its file and the key to connect with. Replaces a context of that name.'
  static override examples = [
    '<%= config.bin %> context add demo --dir ./demo',
    '<%= config.bin %> context add prod --cluster ./prod.yaml --key ~/.config/knhk/alice --use',
  ]
  static override impact = 'write' as const
  static override exitCodes = [4]
  static override schema = CONTEXT_SCHEMA
  static override baseFlags = outputFlags
  static override args = { name: requiredArg('Name of the context.') }
  static override flags = {
    dir: Flags.string({ summary: 'Directory of a local cluster.', helpValue: 'DIR', exactlyOne: ['dir', 'cluster'] }),
    cluster: Flags.string({ summary: 'A cluster file.', helpValue: 'FILE' }),
    key: Flags.string({ summary: 'The client key.', helpValue: 'FILE' }),
    endpoints: Flags.string({ summary: 'Members to talk to, comma-separated; all if absent.', helpValue: 'LIST' }),
    use: Flags.boolean({ summary: 'Make it current.' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ContextAdd)
    const [{ resolveTarget }, { addContext, requireContext }] = await Promise.all([
      import('../../src/cluster/target.js'),
      import('../../src/cluster/contexts.js'),
    ])
    const { dir, cluster, key, endpoints } = flags
    // Reading the files now: a context that cannot work is refused here, not when it is needed.
    const target = await resolveTarget({ dir, cluster, key, endpoints }, {})
    const { loadKeyPair } = await import('../../src/crypto/key-files.js')
    await loadKeyPair(target.keyPath)
    const { clusterFile, keyPath } = target
    const context = { clusterFile, keyPath, endpoints: endpoints?.split(',') ?? null }
    const { current, contexts } = await addContext(process.env, args.name, context, flags.use)
    await this.print(contextOutput(args.name, requireContext(contexts, args.name), current === args.name))
  }
}
