/**
 * Data directories of members, as the commands need them: made once per member, and found again for
 * the tools that read the log of a node.
 */
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { KnhkError } from '../base/error.js'
import type { ClusterConfiguration } from '../consensus/configuration.js'
import { nodePaths } from './layout.js'

/**
 * Makes the data directory of a member that takes part for the first time. One that this member of
 * this cluster has already is left alone. Throws `Refused` or `IdentityMismatch` for any other content.
 */
export async function formatMember(configuration: ClusterConfiguration, id: string, path: string): Promise<void> {
  const { formatDataDirectory, IDENTITY_FILE, openDataDirectory } = await import('../storage/data-directory.js')
  const { realFiles } = await import('../storage/real-files.js')
  const { clusterId } = configuration
  const files = realFiles()
  if ((await files.stat(join(path, IDENTITY_FILE))) !== null) {
    await openDataDirectory(files, path, { clusterId, nodeId: id })
    return
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const incarnation = Uint8Array.from(randomBytes(16))
  await formatDataDirectory(files, path, { clusterId, nodeId: id, incarnation, createdAtMs: Date.now() })
}

/** The log directory inside a data directory, given directly or as a node of a local cluster. */
export function logDirectory(
  choice: { readonly dataDir: string } | { readonly dir: string; readonly node: string },
): string {
  return join('dataDir' in choice ? choice.dataDir : nodePaths(choice.dir, choice.node).data, 'log')
}

/** Throws `NotFound` and names the members. */
export function requireMember(configuration: ClusterConfiguration, id: string): void {
  if (configuration.members.some((member) => member.id === id)) return
  throw new KnhkError('NotFound', `the cluster file has no member ${JSON.stringify(id)}`, {
    hint: `Members: ${configuration.members.map((member) => member.id).join(', ')}.`,
    details: { node: id },
  })
}
