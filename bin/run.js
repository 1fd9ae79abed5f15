#!/usr/bin/env node
/**
 * The `knhk` command. CommonJS (bin/package.json says so) for two reasons: Node loads an ES module
 * through libuv's thread pool, so in one the size of that pool is fixed before its first line runs;
 * and `--version` answers without starting the ES module loader or oclif.
 */
'use strict'

// fsync and signature checks share the pool; with the default of four, a few slow syncs hold up every check.
process.env.UV_THREADPOOL_SIZE ??= '8'

const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const root = join(__dirname, '..')

// A reader that closed its end (`knhk log inspect | head -1`) has what it wants: stop quietly and keep the exit
// code. A server, known by its own handling of SIGTERM, goes on without its output; so does lost stderr.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error
  if (process.listenerCount('SIGTERM') === 0) process.exit()
})
process.stderr.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error
})

function printVersion() {
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  process.stdout.write(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}\n`)
}

async function runCommand() {
  // oclif would look for TypeScript sources in development and run a stale dist without a word.
  const { settings } = require('@oclif/core/settings')
  settings.enableAutoTranspile = false
  const { execute } = require('@oclif/core/execute')
  await execute({ loadOptions: { root } })
}

const [first] = process.argv.slice(2)
if (first === '--version' || first === '-V') printVersion()
else void runCommand()
