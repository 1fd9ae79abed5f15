/**
 * The question before something that is hard to undo: answered by typing a name, so that no habit of
 * pressing Enter does harm. Scripts say --yes.
 */
import { KnhkError } from '../base/error.js'

export interface Confirmation {
  /** What will happen. */
  readonly message: string
  /** What has to be typed. */
  readonly word: string
  /** --yes was given. */
  readonly yes: boolean
  /** There is a terminal, and it is ours to ask on. */
  readonly interactive: boolean
  readonly signal: AbortSignal
}

/** Throws `Usage` where nobody can be asked, `Refused` for any other answer. */
export async function confirm({ message, word, yes, interactive, signal }: Confirmation): Promise<void> {
  if (yes) return
  if (!interactive) {
    throw new KnhkError('Usage', `not without a confirmation: ${message}`, {
      hint: 'Look at it with --dry-run; then give --yes.',
    })
  }
  const { default: inquirer } = await import('inquirer')
  const prompt = inquirer.createPromptModule({ output: process.stderr, signal })
  const { answer } = await prompt<{ answer: string }>([
    { type: 'input', name: 'answer', message: `${message}. Type ${word} to go on` },
  ])
  if (answer.trim() !== word) throw new KnhkError('Refused', 'not confirmed; nothing was changed')
}
