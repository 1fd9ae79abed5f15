/**
 * Shows what bin/run.js adds to oclif: the version without loading oclif, a thread pool of eight before anything
 * uses it, exit codes that arrive, and a quiet end where the reader of a pipe leaves.
 */
import { spawn } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { projectRoot } from './project-root.js'

const FAKE_VERSION = '7.8.9'

/** Commands of a miniature installation, as the build would leave them. */
const COMMANDS: Readonly<Record<string, string>> = {
  fail: 'this.exit(9)',
  threads: `
    const { readdirSync } = await import('node:fs')
    const { pbkdf2 } = await import('node:crypto')
    await Promise.all(Array.from({ length: 8 }, () => new Promise((done) => pbkdf2('a', 'b', 1, 32, 'sha256', done))))
    this.log(String(readdirSync('/proc/self/task').length))`,
  endless: `
    for (;;) {
      process.stdout.write('line\\n'.repeat(1000))
      await new Promise((done) => setImmediate(done))
    }`,
  server: `
    process.once('SIGTERM', () => {})
    for (let round = 0; round < 1000; round++) {
      process.stdout.write('line\\n'.repeat(1000))
      await new Promise((done) => setImmediate(done))
    }
    this.exit(7)`,
}

let root: string

/** Runs the copy of bin/run.js in `root`. */
const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  execa(process.execPath, [join(root, 'bin', 'run.js'), ...args], { reject: false, env })

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'knhk-run-'))
  for (const directory of ['bin', 'dist/commands']) await mkdir(join(root, directory), { recursive: true })
  for (const file of ['run.js', 'package.json']) {
    await copyFile(join(projectRoot, 'bin', file), join(root, 'bin', file))
  }
  const oclif = { bin: 'knhk', commands: './dist/commands', topicSeparator: ' ' }
  await writeFile(
    join(root, 'package.json'),
    JSON.stringify({ name: 'knhk', version: FAKE_VERSION, type: 'module', oclif }),
  )
  for (const [name, body] of Object.entries(COMMANDS)) {
    const text = `import { Command } from '@oclif/core'\nexport default class C extends Command {\n  async run() {${body}}\n}\n`
    await writeFile(join(root, 'dist', 'commands', `${name}.js`), text)
  }
})

afterAll(() => rm(root, { recursive: true }))

/** Puts an oclif into the installation that fails as soon as it is loaded, wherever else one could be found. */
async function installBrokenOclif() {
  const oclif = join(root, 'node_modules', '@oclif', 'core')
  await mkdir(oclif, { recursive: true })
  const exports = { './settings': './broken.js', './execute': './broken.js' }
  await writeFile(join(oclif, 'package.json'), JSON.stringify({ name: '@oclif/core', exports }))
  await writeFile(join(oclif, 'broken.js'), `throw new Error('oclif was loaded')\n`)
}

describe('with an oclif that does not load', () => {
  beforeAll(installBrokenOclif)
  afterAll(() => rm(join(root, 'node_modules'), { recursive: true }))

  it.each(['--version', '-V'])('%s answers, so it does not load it', async (flag) => {
    const { stdout, stderr, exitCode } = await run([flag])
    expect({ stdout, stderr, exitCode }).toEqual({
      stdout: `knhk/${FAKE_VERSION} ${process.platform}-${process.arch} node-${process.version}`,
      stderr: '',
      exitCode: 0,
    })
  })

  it('a command fails with the message and a code', async () => {
    const { stderr, exitCode } = await run(['fail'])
    expect(stderr).toContain('oclif was loaded')
    expect(exitCode).toBe(1)
  })
})

describe('with commands', () => {
  beforeAll(() => symlink(join(projectRoot, 'node_modules'), join(root, 'node_modules')))

  it('passes exit codes on', async () => {
    expect((await run(['fail'])).exitCode).toBe(9)
    expect((await run(['absent'])).exitCode).toBe(2)
    expect((await run(['--help'])).exitCode).toBe(0)
  })

  it.runIf(process.platform === 'linux')('gives the thread pool eight threads, unless told otherwise', async () => {
    const threads = async (size?: string) =>
      Number((await run(['threads'], size === undefined ? {} : { UV_THREADPOOL_SIZE: size })).stdout)
    const withOne = await threads('1')
    expect(await threads()).toBe(withOne + 7)
    expect(await threads('4')).toBe(withOne + 3)
  })

  /** Starts a command, closes the pipe after its first output, and tells how it ended. */
  async function runWithLeavingReader(command: string) {
    const args = [join(root, 'bin', 'run.js'), command]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (data) => {
      stderr += String(data)
    })
    child.stdout.once('data', () => child.stdout.destroy())
    const exitCode = await new Promise((resolve) => child.once('close', resolve))
    return { exitCode, stderr }
  }

  it('ends quietly when the reader of its output leaves', async () => {
    expect(await runWithLeavingReader('endless')).toEqual({ exitCode: 0, stderr: '' })
  })

  it('lets a server go on when the reader of its output leaves', async () => {
    expect(await runWithLeavingReader('server')).toEqual({ exitCode: 7, stderr: '' })
  })
})
