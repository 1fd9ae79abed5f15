/**
 * Shows that the package works where it is installed: `npm pack` on a copy of the checkout (its prepack builds),
 * the tarball installed globally into a directory of its own, and the installed `knhk` run from elsewhere.
 */
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { projectRoot } from './project-root.js'

/** What a build and a package are made from. */
const SOURCES = [
  'bin',
  'commands',
  'fixtures',
  'registry',
  'src',
  'test',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
]

let directory: string
let checkout: string
let files: readonly string[]
let installed: string

/** Runs the installed `knhk` outside of any checkout, with no terminal and no configuration of the user. */
const knhk = (...args: readonly string[]) =>
  execa(join(installed, 'bin', 'knhk'), args, {
    cwd: directory,
    reject: false,
    env: { NO_COLOR: '1', HOME: directory, XDG_CONFIG_HOME: directory, XDG_STATE_HOME: directory },
  })

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'knhk-package-'))
  checkout = join(directory, 'checkout')
  installed = join(directory, 'installed')
  await mkdir(checkout)
  for (const source of SOURCES) await cp(join(projectRoot, source), join(checkout, source), { recursive: true })
  await symlink(join(projectRoot, 'node_modules'), join(checkout, 'node_modules'))

  const packed = await execa('npm', ['pack', '--json', '--silent'], { cwd: checkout })
  const [tarball] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('['))) as {
    filename: string
    files: { path: string }[]
  }[]
  if (tarball === undefined) throw new Error('npm pack made no tarball')
  files = tarball.files.map(({ path }) => path)
  const prefix = ['--prefix', installed, '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']
  await execa('npm', ['install', '--global', ...prefix, join(checkout, tarball.filename)], { cwd: directory })
}, 240_000)

afterAll(() => rm(directory, { recursive: true, force: true }))

describe('the tarball', () => {
  it('holds the program, its manifest and its texts', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'README.md',
        'CHANGELOG.md',
        'bin/run.js',
        'bin/package.json',
        'dist/src/index.js',
        'dist/src/index.d.ts',
        'oclif.manifest.json',
        'package.json',
      ]),
    )
  })

  it('holds neither sources nor tests', () => {
    expect(files.filter((file) => /^(src|commands|test|dist\/test)\//.test(file))).toEqual([])
  })

  it('has a manifest of every command', async () => {
    const manifest = JSON.parse(await readFile(join(checkout, 'oclif.manifest.json'), 'utf8')) as { commands: object }
    const ids = Object.keys(manifest.commands).map((id) => `dist/commands/${id.replaceAll(':', '/')}.js`)
    const commands = files.filter((file) => /^dist\/commands\/.*\.js$/.test(file))
    expect(commands.length).toBeGreaterThan(0)
    expect(commands.filter((file) => !ids.includes(file) && !ids.includes(file.replace('/index.js', '.js')))).toEqual(
      [],
    )
  })

  it('keeps the rules of publint', async () => {
    const { messages } = await publint({ pkgDir: checkout, pack: false, strict: true })
    expect(messages).toEqual([])
  })
})

describe('the installed command', () => {
  it('tells its version', async () => {
    const { version } = JSON.parse(await readFile(join(projectRoot, 'package.json'), 'utf8')) as { version: string }
    const { stdout, exitCode } = await knhk('--version')
    expect({ stdout, exitCode }).toEqual({
      stdout: `knhk/${version} ${process.platform}-${process.arch} node-${process.version}`,
      exitCode: 0,
    })
  })

  it('shows its commands', async () => {
    const { stdout, stderr, exitCode } = await knhk('--help')
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
    for (const topic of ['node', 'keys', 'cluster', 'case', 'kv', 'log', 'up', 'repl']) {
      expect(stdout).toMatch(new RegExp(`^  ${topic} `, 'm'))
    }
  })

  it('refuses an unknown command with the code of usage errors', async () => {
    expect((await knhk('absent')).exitCode).toBe(2)
  })
})
