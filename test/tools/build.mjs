/**
 * `npm run build`: compiles src, commands, the benchmark and the test programs (test/<name>/run.ts), then
 * writes oclif's manifest.
 * The compiler writes to a directory of its own that replaces `dist` at the end, so that no deleted
 * source lives on as a command, a failed build leaves the last good one, and a process that runs from `dist`
 * meanwhile finds its lazily loaded modules.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeManifest } from './write-manifest.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const fresh = join(root, `.dist-${process.pid}`)
const previous = `${fresh}-previous`

/** Runs the TypeScript compiler; returns its exit code. */
function compile() {
  const packageFile = createRequire(import.meta.url).resolve('typescript/package.json')
  const compiler = join(packageFile, '..', 'bin', 'tsc')
  const args = [compiler, '-p', join(root, 'tsconfig.build.json'), '--outDir', fresh, '--noEmitOnError']
  return spawnSync(process.execPath, args, { stdio: 'inherit', cwd: root }).status ?? 1
}

/** Puts the fresh directory in the place of `dist`. */
function swapIn() {
  const dist = join(root, 'dist')
  if (existsSync(dist)) renameSync(dist, previous)
  renameSync(fresh, dist)
}

try {
  process.exitCode = compile()
  if (process.exitCode === 0) {
    swapIn()
    await writeManifest(root)
  }
} finally {
  for (const directory of [fresh, previous]) rmSync(directory, { recursive: true, force: true })
}
