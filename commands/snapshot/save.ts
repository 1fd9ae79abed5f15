/** `knhk snapshot save`. */
import { resolve } from 'node:path'
import * as Flags from '@oclif/core/flags'
import { ClusterCommand, clusterFlags } from '../../src/terminal/cluster-command.js'
import { timeoutFlag } from '../../src/terminal/flags.js'
import { SAVE_SCHEMA } from '../../src/terminal/snapshots/schemas.js'

const SAVE_TIMEOUT_MS = 120_000

export default class SnapshotSave extends ClusterCommand {
  static override summary = 'Make a node take a snapshot now, and keep the file.'
  static override description =
    `The leader takes it unless --node names another member; the cluster goes on meanwhile. With --out the file is brought
here, checked against its id (the SHA-256 of the file) and written as a whole or not at all. Without, it stays among the
snapshots of the node. Needs the role operator.`
  static override examples = [
    '<%= config.bin %> snapshot save --dir ./demo --out backup.snap',
    '<%= config.bin %> snapshot save --dir ./demo --node n2 --json',
  ]
  static override impact = 'write' as const
  static override exitCodes = [4, 5, 6, 7, 8, 10]
  static override schema = SAVE_SCHEMA
  static override baseFlags = { ...clusterFlags, timeout: timeoutFlag(SAVE_TIMEOUT_MS) }
  static override flags = {
    out: Flags.string({ summary: 'Where to keep the file.', helpValue: 'FILE' }),
    node: Flags.string({ summary: 'The node that takes it; the leader if absent.', helpValue: 'ID' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(SnapshotSave)
    const [{ requireMember }, { saveOutput, saveSnapshot }] = await Promise.all([
      import('../../src/cluster/data-directories.js'),
      import('../../src/terminal/snapshots/save.js'),
    ])
    const connection = await this.connect(flags)
    if (flags.node !== undefined) requireMember(connection.target.configuration, flags.node)
    const progress = await this.progress('taking a snapshot')
    const saved = await saveSnapshot(connection, {
      node: flags.node ?? null,
      out: flags.out === undefined ? null : resolve(flags.out),
      timeoutMs: flags.timeout,
      signal: this.signal,
      onProgress: (text) => progress.update(text),
    }).finally(() => progress.stop())
    await this.print(saveOutput(saved))
  }
}
