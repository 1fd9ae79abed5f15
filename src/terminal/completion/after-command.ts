/** oclif's hook after every command: where the plugin has written its completion scripts, ours go on. */
import type { Hook } from '@oclif/core/hooks'

export const afterCommand: Hook<'postrun'> = async ({ Command, config }) => {
  if (!Command.id.startsWith('autocomplete')) return
  const { appendBashValues } = await import('./bash-values.js')
  await appendBashValues(config.cacheDir, config.bin)
}
