/**
 * Writes oclif.manifest.json: the flags and summaries of all commands, so that `knhk --help` and the
 * look-up of one command load no other. Made by every build and never committed: a stale one hides new commands.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Plugin, settings } from '@oclif/core'

/** Loads every command of `root`/dist/commands; throws where one of them does not load. */
export async function writeManifest(root) {
  settings.enableAutoTranspile = false
  const plugin = new Plugin({ root, ignoreManifest: true, errorOnManifestCreate: true, respectNoCacheDefault: true })
  await plugin.load()
  const file = join(root, 'oclif.manifest.json')
  writeFileSync(`${file}.${process.pid}`, `${JSON.stringify(plugin.manifest)}\n`)
  renameSync(`${file}.${process.pid}`, file)
}
