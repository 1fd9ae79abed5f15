/**
 * Shows that the rules that keep the rooms apart, and the pure rooms pure, fire: every pair of rooms and every
 * forbidden thing is written into a miniature tree and judged by the real configuration of Biome and
 * the compiler. A rule that a change of configuration or of a tool silences is seen here, not in a review.
 */
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Finding, ProbeTree, tool } from './probe-tree.js'
import { projectRoot } from './project-root.js'

const BELOW_NODE = ['base', 'crypto', 'consensus', 'workflow', 'transport', 'storage', 'telemetry']

/** docs/architecture.md, in a form to test against: the rooms that a room may import. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  crypto: ['base'],
  consensus: ['base'],
  workflow: ['base', 'consensus'],
  transport: ['base', 'crypto', 'consensus', 'telemetry'],
  storage: ['base', 'crypto', 'consensus', 'telemetry'],
  telemetry: ['base', 'crypto', 'consensus'],
  node: BELOW_NODE,
  client: [...BELOW_NODE, 'node'],
  cluster: [...BELOW_NODE, 'node', 'client'],
  simulator: [...BELOW_NODE, 'node'],
  library: [...BELOW_NODE, 'node', 'client', 'cluster'],
  terminal: [...BELOW_NODE, 'node', 'client', 'cluster', 'simulator'],
  conformance: [...BELOW_NODE, 'node', 'client', 'cluster', 'simulator', 'library', 'terminal'],
}
const ROOMS = Object.keys(MAY_IMPORT)
const PURE_FOLDERS = ['base', 'crypto/pure', 'consensus', 'workflow']

/** One statement each that only Biome's built-in rules find. */
const FORBIDDEN_GLOBALS: Readonly<Record<string, string>> = {
  Buffer: `Buffer.from('a')`,
  Date: 'Date.now()',
  Promise: 'Promise.resolve(1)',
  clearTimeout: 'clearTimeout(1)',
  console: `console.log('a')`,
  crypto: 'crypto.randomUUID()',
  fetch: `fetch('a')`,
  global: 'global',
  globalThis: 'globalThis',
  performance: 'performance.now()',
  process: 'process.pid',
  queueMicrotask: 'queueMicrotask(() => {})',
  setImmediate: 'setImmediate(() => {})',
  setInterval: 'setInterval(() => {}, 1)',
  setTimeout: 'setTimeout(() => {}, 1)',
}

/** What the plug-in test/tools/pure-room.grit finds, one form each. */
const IMPURE_FORMS: Readonly<Record<string, string>> = {
  'an async function': 'export async function f(a: number, b: number): Promise<number> {\n  return a + b\n}',
  'an async default export': 'export default async function () {\n  return 1\n}',
  'an async function expression': 'export const f = async function named() {\n  return 1\n}',
  'an async arrow': 'export const f = async () => 1',
  'an async arrow with a bare parameter': 'export const f = async x => x',
  'an async generator': 'export async function* f() {\n  yield 1\n}',
  'an async method': 'export class C {\n  async m() {\n    return 1\n  }\n}',
  'an async static method': 'export class C {\n  private static async m() {\n    return 1\n  }\n}',
  'an async object method': 'export const o = {\n  async m() {\n    return 1\n  },\n}',
  await: 'export const a = await f()',
  'for await': 'for await (const a of b) f(a)',
  'a dynamic import': `export const m = import('./x.js')`,
  'new Date': 'export const d = new Date',
  'new Date()': 'export const d = new Date()',
  'new Date(ms)': 'export const d = new Date(5)',
  'Math.random': 'export const r = Math.random()',
  'Math.random by another name': 'export const random = Math.random',
  'Math[name]': `export const r = Math['random']()`,
  'Math taken apart': 'const { random } = Math\nexport const r = random()',
  globalThis: 'export const g = globalThis',
}

/** What the compiler rejects in the pure rooms: names of Node.js and of the browser that Biome might not list. */
const UNKNOWN_TO_THE_COMPILER: Readonly<Record<string, string>> = {
  setTimeout: 'setTimeout(() => {}, 1)',
  process: 'export const p = process.pid',
  Buffer: `export const b = Buffer.from('a')`,
  'node:fs': `import { readFileSync } from 'node:fs'\nexport const f = readFileSync`,
  'type of node:fs': `import type { Stats } from 'node:fs'\nexport type S = Stats`,
  URL: `export const u = new URL('a:b')`,
  AbortController: 'export const c = new AbortController()',
  'a room that uses node:fs': `export { f } from '../transport/reads-files.js'`,
}

let tree: ProbeTree
let findings: readonly Finding[]
let pureFindings: readonly Finding[]

const found = (file: string) => findings.filter((finding) => finding.file === file).map(({ rule }) => rule)
const slug = (text: string) => text.replaceAll(/[^a-zA-Z]+/g, '-')

async function writeRoomProbes() {
  for (const from of ROOMS) {
    await tree.write(`src/${from}/x.ts`, 'export const x = 1')
    await tree.write(`src/${from}/deep/imports-self.ts`, `export { x } from '../x.js'`)
    await tree.write(`src/${from}/imports-test.ts`, `export { x } from '../../test/x.js'`)
    await tree.write(`src/${from}/imports-commands.ts`, `export { x } from '../../commands/x.js'`)
    await tree.write(`src/${from}/imports-pure-crypto.ts`, `export { x } from '../crypto/pure/x.js'`)
    await tree.write(`src/${from}/imports-ports.ts`, `import type { P } from '../node/ports.js'\nexport type Q = P`)
    for (const to of ROOMS.filter((room) => room !== from)) {
      await tree.write(`src/${from}/imports-${to}.ts`, `export { x } from '../${to}/x.js'`)
      await tree.write(`src/${from}/deep/imports-${to}.ts`, `export { x } from '../../${to}/x.js'`)
      await tree.write(`commands/deep/imports-${to}.ts`, `export { x } from '../../src/${to}/x.js'`)
    }
  }
  await tree.write('src/node/ports.ts', 'export type P = number')
  await tree.write('commands/x.ts', 'export const x = 1')
  await tree.write('test/x.ts', 'export const x = 1')
  await tree.write('src/node/cycle-a.ts', `export { b } from './cycle-b.js'\nexport const a = 1`)
  await tree.write('src/node/cycle-b.ts', `export { a } from './cycle-a.js'\nexport const b = 1`)
  await tree.write('src/node/any.ts', 'export const a: any = 1')
  await tree.write(
    'src/node/floating.ts',
    'async function f(): Promise<void> {}\nexport function g(): void {\n  f()\n}',
  )
}

async function writePureProbes() {
  for (const folder of PURE_FOLDERS) {
    const write = (name: string, text: string) => tree.write(`src/${folder}/pure-${slug(name)}.ts`, text)
    await write('module', `import { readFileSync } from 'node:fs'\nexport const f = readFileSync`)
    await write('package', `import { parse } from 'yaml'\nexport const p = parse`)
    await write('scoped-package', `import { create } from '@peculiar/x509'\nexport const c = create`)
    await write('clean', 'export const f = (a: number): number => Math.max(a, 1)')
    for (const [name, text] of Object.entries(FORBIDDEN_GLOBALS))
      await write(`global-${name}`, `export const g = ${text}`)
    for (const [name, text] of Object.entries(IMPURE_FORMS)) await write(`form-${name}`, text)
  }
  await tree.write('src/crypto/pure/x.ts', 'export const x = 1')
  await tree.write('src/crypto/pure/noble.ts', `import { Point } from '@noble/ed25519'\nexport const p = Point`)
  await tree.write('src/crypto/pure/imports-base.ts', `export { x } from '../../base/x.js'`)
  await tree.write('src/crypto/pure/imports-impure.ts', `export { x } from '../x.js'`)
  await tree.write('src/consensus/noble.ts', `import { Point } from '@noble/ed25519'\nexport const p = Point`)
  for (const [name, text] of Object.entries(IMPURE_FORMS)) await tree.write(`src/node/free-${slug(name)}.ts`, text)
}

beforeAll(async () => {
  tree = await ProbeTree.create()
  await writeRoomProbes()
  await writePureProbes()
  findings = await tree.lint()
  await tree.remove()

  tree = await ProbeTree.create()
  await tree.write(
    'src/transport/reads-files.ts',
    `import { readFileSync } from 'node:fs'\nexport const f = readFileSync`,
  )
  await tree.write('src/consensus/clean.ts', `export const bytes = new TextEncoder().encode('a')`)
  for (const [name, text] of Object.entries(UNKNOWN_TO_THE_COMPILER)) {
    await tree.write(`src/consensus/${slug(name)}.ts`, `${text}\nexport {}`)
  }
  pureFindings = await tree.compilePureRooms()
})

afterAll(() => tree.remove())

describe('imports between rooms', () => {
  for (const from of ROOMS) {
    it(`src/${from} imports only the rooms below it`, () => {
      for (const to of ROOMS.filter((room) => room !== from)) {
        const expected = MAY_IMPORT[from]?.includes(to) ? [] : ['lint/style/noRestrictedImports']
        expect(found(`src/${from}/imports-${to}.ts`), `src/${from} → src/${to}`).toEqual(expected)
        expect(found(`src/${from}/deep/imports-${to}.ts`), `src/${from}/deep → src/${to}`).toEqual(expected)
      }
      expect(found(`src/${from}/deep/imports-self.ts`)).toEqual([])
      expect(found(`src/${from}/imports-test.ts`)).toEqual(['lint/style/noRestrictedImports'])
      expect(found(`src/${from}/imports-commands.ts`)).toEqual(['lint/style/noRestrictedImports'])
    })
  }

  it('opens the pure parts of crypto to all rooms but base', () => {
    for (const room of ROOMS) {
      const expected = room === 'base' ? ['lint/style/noRestrictedImports'] : []
      expect(found(`src/${room}/imports-pure-crypto.ts`), room).toEqual(expected)
    }
  })

  it('opens the ports of the node to the rooms that implement them', () => {
    const open = [
      'transport',
      'storage',
      'telemetry',
      'node',
      'client',
      'cluster',
      'simulator',
      'library',
      'terminal',
      'conformance',
    ]
    for (const room of ROOMS) {
      const expected = open.includes(room) ? [] : ['lint/style/noRestrictedImports']
      expect(found(`src/${room}/imports-ports.ts`), room).toEqual(expected)
    }
  })

  it('lets commands import every room', () => {
    for (const room of ROOMS) expect(found(`commands/deep/imports-${room}.ts`), room).toEqual([])
  })

  it('finds cycles, any and lost promises', () => {
    expect(found('src/node/cycle-a.ts')).toEqual(['lint/suspicious/noImportCycles'])
    expect(found('src/node/cycle-b.ts')).toEqual(['lint/suspicious/noImportCycles'])
    expect(found('src/node/any.ts')).toEqual(['lint/suspicious/noExplicitAny'])
    expect(found('src/node/floating.ts')).toEqual(['lint/nursery/noFloatingPromises'])
  })
})

describe('pure rooms', () => {
  for (const folder of PURE_FOLDERS) {
    const foundIn = (name: string) => found(`src/${folder}/pure-${slug(name)}.ts`)

    it(`src/${folder} takes no module and no package`, () => {
      expect(foundIn('module')).toContain('lint/correctness/noNodejsModules')
      expect(foundIn('package')).toContain('lint/style/noRestrictedImports')
      expect(foundIn('scoped-package')).toContain('lint/style/noRestrictedImports')
      expect(foundIn('clean')).toEqual([])
    })

    it(`src/${folder} takes no global with an effect`, () => {
      for (const name of Object.keys(FORBIDDEN_GLOBALS)) {
        expect(foundIn(`global-${name}`), name).toContain('lint/style/noRestrictedGlobals')
      }
    })

    it(`src/${folder} neither waits nor reads the clock nor rolls dice`, () => {
      for (const name of Object.keys(IMPURE_FORMS)) expect(foundIn(`form-${name}`), name).toContain('plugin')
    })
  }

  it('leaves the other rooms free', () => {
    for (const name of Object.keys(IMPURE_FORMS))
      expect(found(`src/node/free-${slug(name)}.ts`)).not.toContain('plugin')
  })

  it('lets src/crypto/pure, and no other pure room, use @noble/ed25519', () => {
    expect(found('src/crypto/pure/noble.ts')).toEqual([])
    expect(found('src/crypto/pure/imports-base.ts')).toEqual([])
    expect(found('src/crypto/pure/imports-impure.ts')).toEqual(['lint/style/noRestrictedImports'])
    expect(found('src/consensus/noble.ts')).toEqual(['lint/style/noRestrictedImports'])
  })

  it('compile against the ECMAScript library alone', () => {
    for (const name of Object.keys(UNKNOWN_TO_THE_COMPILER)) {
      const file =
        name === 'a room that uses node:fs' ? 'src/transport/reads-files.ts' : `src/consensus/${slug(name)}.ts`
      const rules = pureFindings.filter((finding) => finding.file === file).map(({ rule }) => rule)
      expect(rules, name).toHaveLength(1)
    }
    expect(pureFindings.filter(({ file }) => file === 'src/consensus/clean.ts')).toEqual([])
  })
})

describe('this checkout', () => {
  it('keeps the rules', async () => {
    const lint = await execa(tool('biome'), ['lint', '--error-on-warnings'], {
      cwd: projectRoot,
      reject: false,
      all: true,
    })
    expect(lint.exitCode, lint.all).toBe(0)
  })

  it('compiles its pure rooms', async () => {
    const compile = await execa(tool('tsc'), ['-p', 'tsconfig.pure.json'], {
      cwd: projectRoot,
      reject: false,
      all: true,
    })
    expect(compile.exitCode, compile.all).toBe(0)
  })
})
