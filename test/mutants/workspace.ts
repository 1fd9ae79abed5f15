/**
 * A copy of the repository in a temporary directory: bugs are planted there and nowhere else. The copy
 * is compiled without type checks (a bug need not be well-typed, only well-formed), which takes less
 * than a second, and shares the installed packages with the original.
 */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { KnhkError } from '../../src/base/error.js'
import type { Mutant } from './mutant.js'

/** Where this process makes its copies. */
export const COPY_PREFIX = `knhk-mutants-${process.pid}-`
const LEFT_OUT = new Set(['node_modules', 'dist', '.git', 'coverage', '.knhk'])
const OUTPUT_MAX = 64 * 1024

/** How a program ended. `output` is the beginning of what it wrote, both streams. */
export interface Ended {
  readonly exitCode: number | null
  readonly output: string
  readonly timedOut: boolean
}

export class Workspace {
  readonly dir: string

  private constructor(dir: string) {
    this.dir = dir
  }

  /** Copies the repository at `root`, without what is made from it. */
  static async copy(root: string): Promise<Workspace> {
    const dir = await mkdtemp(join(tmpdir(), COPY_PREFIX))
    const isCopied = (path: string): boolean =>
      path === root || !(LEFT_OUT.has(basename(path)) || basename(path).startsWith('.dist-'))
    await cp(root, dir, { recursive: true, filter: isCopied })
    await symlink(join(root, 'node_modules'), join(dir, 'node_modules'))
    return new Workspace(dir)
  }

  /** Where the compiled copy is. */
  get dist(): string {
    return join(this.dir, 'dist', 'src')
  }

  /** Compiles the copy's `src`. Throws `InvalidFile` where it is not well-formed. */
  async compile(): Promise<void> {
    const packageFile = createRequire(import.meta.url).resolve('typescript/package.json')
    const compiler = join(packageFile, '..', 'bin', 'tsc')
    const project = join(this.dir, 'tsconfig.mutants.json')
    await writeFile(project, JSON.stringify({ extends: './tsconfig.json', include: ['src'], exclude: [] }))
    const args = [compiler, '-p', project, '--outDir', join(this.dir, 'dist'), '--noCheck', '--declaration', 'false']
    const { exitCode, output } = await runProgram(process.execPath, args, { cwd: this.dir, timeoutMs: 120_000 })
    if (exitCode !== 0) throw new KnhkError('InvalidFile', `the changed sources do not compile:\n${output}`)
  }

  /** Plants a bug; returns what takes it out again. Throws `InvalidFile` where its text is not there once. */
  async plant({ id, file, find, replace }: Mutant): Promise<() => Promise<void>> {
    const path = join(this.dir, file)
    const source = await readFile(path, 'utf8').catch(() => {
      throw new KnhkError('InvalidFile', `mutant ${id}: there is no ${file}`)
    })
    const found = source.split(find).length - 1
    if (found !== 1) {
      throw new KnhkError('InvalidFile', `mutant ${id}: its text occurs ${found} times in ${file}, not once`, {
        hint: 'Bring the catalogue up to date with the source.',
      })
    }
    await writeFile(
      path,
      source.replace(find, () => replace),
    )
    return () => writeFile(path, source)
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true })
  }
}

/** Runs a program to its end, or kills it and all that it started after `timeoutMs`. */
export function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly timeoutMs: number },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      detached: true,
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }, options.timeoutMs)
    const take = (chunk: Buffer): void => {
      if (output.length < OUTPUT_MAX) output += chunk.toString()
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('close', (exitCode) => {
      clearTimeout(timer)
      resolve({ exitCode, output, timedOut })
    })
  })
}
