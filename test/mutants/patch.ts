/**
 * Applies an outside unified diff to a copy, and to nothing else: with git where it is installed, with
 * patch otherwise; as it stands first, then with more tolerance for shifted lines and white space.
 */
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KnhkError } from '../../src/base/error.js'
import { runProgram, type Workspace } from './workspace.js'

const NAME = '.outside.patch'
const TIMEOUT_MS = 5_000

/** Attempts in order; each changes everything or nothing. */
const ATTEMPTS: readonly (readonly [string, ...string[]])[] = [
  ['git', 'apply', '--whitespace=nowarn', NAME],
  ['git', 'apply', '--whitespace=nowarn', '-p0', NAME],
  ['git', 'apply', '--whitespace=nowarn', '--recount', '--ignore-whitespace', '-C1', NAME],
  ['git', 'apply', '--whitespace=nowarn', '--recount', '--ignore-whitespace', '-C1', '-p0', NAME],
]
const PATCH_LEVELS = ['-p1', '-p0']

/** Throws `InvalidFile` for a file that cannot be read, is no diff, or does not fit the sources. */
export async function applyPatch(workspace: Workspace, file: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new KnhkError('InvalidFile', `${file} cannot be read`, { cause })
  })
  if (!/^(\+\+\+|rename to|deleted file mode|new file mode) ?/m.test(text))
    throw new KnhkError('InvalidFile', `${file} is not a unified diff`)
  await copyFile(file, join(workspace.dir, NAME))
  const errors: string[] = []
  for (const [command, ...args] of ATTEMPTS) {
    const failure = await attempt(workspace, command, args)
    if (failure === null) return
    errors.push(failure)
  }
  for (const level of PATCH_LEVELS) {
    const args = [level, '--batch', '--forward', '-i', NAME]
    const failure =
      (await attempt(workspace, 'patch', [...args, '--dry-run'])) ?? (await attempt(workspace, 'patch', args))
    if (failure === null) return
    errors.push(failure)
  }
  throw new KnhkError('InvalidFile', `${file} does not apply to the sources: ${errors[0]}`)
}

/** Throws `InvalidFile` where a patch left the sources as they were: a hunk cut short applies to nothing. */
export async function assertChanged(changed: Workspace, unchanged: Workspace): Promise<void> {
  const args = ['diff', '--no-index', '--quiet', join(unchanged.dir, 'src'), join(changed.dir, 'src')]
  const { exitCode } = await runProgram('git', args, { cwd: changed.dir, timeoutMs: TIMEOUT_MS })
  if (exitCode === 0) throw new KnhkError('InvalidFile', 'the patch changes nothing under src')
}

/** Null when the program did it; otherwise what it said. */
async function attempt({ dir }: Workspace, command: string, args: readonly string[]): Promise<string | null> {
  try {
    // The copy is no repository, and must not be taken for a part of one that lies above it.
    const { exitCode, output } = await runProgram(
      'env',
      [`GIT_CEILING_DIRECTORIES=${join(dir, '..')}`, command, ...args],
      {
        cwd: dir,
        timeoutMs: TIMEOUT_MS,
      },
    )
    return exitCode === 0 ? null : output.trim()
  } catch (error) {
    return `${command} cannot be run: ${String(error)}`
  }
}
