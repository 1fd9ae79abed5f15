/**
 * Progress on stderr: a spinner on a terminal, nothing elsewhere (ora would print lines and colours
 * into pipes).
 */
export interface Progress {
  update(text: string): void
  /** Clears the line, so that what comes next starts on a clean one. */
  stop(): void
}

const SILENT: Progress = { update: () => undefined, stop: () => undefined }

export async function startProgress(text: string, enabled: boolean): Promise<Progress> {
  if (!enabled || process.stderr.isTTY !== true) return SILENT
  const { default: ora } = await import('ora')
  // Raw mode stays with whoever reads the keys: the REPL, or nobody.
  const spinner = ora({ text, stream: process.stderr, discardStdin: false, hideCursor: false }).start()
  return {
    update: (next) => {
      spinner.text = next
    },
    stop: () => {
      spinner.stop()
    },
  }
}
