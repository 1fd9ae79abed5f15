/**
 * Shows overlays from the command line, on a real cluster: the shipped files, the default base, the
 * phases, the way back, composition, the mode, files of operations, and the documented exit codes. Every
 * result is checked against the schema of its command; all members end with one digest.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { World } from '../e2e/harness.js'
import { CheckedCommands } from './checked-commands.js'

const GENESIS = '4fcdd6992047394baccfaa24589eb4fc896b965e2786d0b85709b0ac486d027b'
const SPEC = '1b8f3c52-6f7e-4c58-9d0a-0000000000a1'
const OTHER_SPEC = '5f1b7a52-3a86-4a55-9d1f-0c7b1de3c001'
const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/overlays/${name}`, import.meta.url))

let world: World
let commands: CheckedCommands
const json = (id: string, ...args: string[]) => commands.json(id, ...args)
const code = (...words: string[]) => commands.code(...words)

const create = (spec: string, data = '{"customer":"C","amount":1}') => [
  'case',
  'create',
  '--spec-id',
  spec,
  '--data',
  data,
]

beforeAll(async () => {
  commands = await CheckedCommands.make()
  ;({ world } = commands)
  await world.json(['up', '--nodes', '3', '--detach'])
})
afterAll(async () => {
  await world.run(['down'])
  await world.remove()
})

describe('overlay', () => {
  it('begins at genesis', async () => {
    expect(await json('overlay mode show')).toEqual({
      mode: 'Normal',
      activeSigma: GENESIS,
      height: 0,
      openOverlays: 0,
    })
    expect(await json('overlay chain')).toMatchObject({ snapshots: [{ sigma: GENESIS, parent: null }], cursor: null })
    expect(await json('overlay list')).toEqual({ overlays: [], cursor: null })
    const { settings } = (await json('overlay sigma')) as { settings: unknown[] }
    expect(settings).toContainEqual({ path: 'pattern:20', value: true })
  })

  it('deploys every shipped file against the active snapshot, and shows what each would change', async () => {
    for (const name of ['pause-admission', 'no-cancel', 'tighter-data', 'scale-out']) {
      const { result } = await json('overlay deploy', fixture(`${name}.yaml`))
      expect(result).toMatchObject({ overlayId: name, phase: 'Shadow', activeSigma: GENESIS })
    }
    expect(await json('overlay diff', 'active', 'scale-out')).toMatchObject({
      from: GENESIS,
      changes: expect.arrayContaining([{ path: 'instances:12', from: 8, to: 16 }]),
    })
    expect((await json('overlay diff', 'genesis', 'no-cancel')).changes).toEqual([
      { path: 'pattern:20', from: true, to: false },
    ])
    expect((await world.run(['overlay', 'list', '--output', 'id'])).stdout.split('\n')).toEqual([
      'no-cancel',
      'pause-admission',
      'scale-out',
      'tighter-data',
    ])
  })

  it('promotes step by step or all the way, and cases feel it only then', async () => {
    await json('case create', ...create(SPEC).slice(2))
    expect((await json('overlay promote', 'pause-admission', '--step')).result).toMatchObject({ phase: 'Test' })
    expect((await json('overlay promote', 'pause-admission', '--to', 'Promote')).result).toMatchObject({
      phase: 'Promote',
      activeSigma: GENESIS,
    })
    const { result } = await json('overlay promote', 'pause-admission')
    expect(result).toMatchObject({ phase: 'Promoted', activeSigma: (result as { sigma: string }).sigma })
    expect((await json('overlay promote', 'pause-admission')).result).toEqual(result)
    expect(await code(...create(SPEC))).toEqual([1, 'GuardViolation'])
    await json('case create', ...create(OTHER_SPEC).slice(2))
    expect(await json('overlay get', 'pause-admission')).toMatchObject({
      phase: 'Promoted',
      steps: ['Shadow', 'Test', 'Validate', 'Promote', 'Promoted'].map((phase) => ({ phase, actor: 'admin' })),
    })
  })

  it('refuses what was made against another base with exit code 9, and what is taken', async () => {
    expect(await code('overlay', 'promote', 'no-cancel')).toEqual([9, 'IncompatibleBase'])
    expect(await code('overlay', 'deploy', fixture('no-cancel.yaml'))).toEqual([9, 'OverlayExists'])
    expect(await code('overlay', 'deploy', fixture('no-cancel.yaml'), '--id', 'late', '--base', 'genesis')).toEqual([
      9,
      'IncompatibleBase',
    ])
    expect((await json('overlay deploy', fixture('no-cancel.yaml'), '--id', 'no-cancel-2')).result).toMatchObject({
      overlayId: 'no-cancel-2',
    })
  })

  it('rolls back a head, an open one, and nothing else', async () => {
    await json('overlay promote', 'no-cancel-2')
    expect(await code('overlay', 'rollback', 'pause-admission')).toEqual([1, 'NotHead'])
    await json('overlay rollback', 'no-cancel-2', '--reason', 'people ask for it')
    expect((await json('overlay rollback', 'pause-admission')).result).toMatchObject({ activeSigma: GENESIS })
    await json('case create', ...create(SPEC).slice(2))
    expect(await code('overlay', 'rollback', 'pause-admission')).toEqual([1, 'InvalidPhaseTransition'])
    expect(await code('overlay', 'promote', 'pause-admission')).toEqual([1, 'InvalidPhaseTransition'])
    expect(await code('overlay', 'rollback', 'genesis')).toEqual([1, 'GenesisRollback'])
    expect(await code('overlay', 'rollback', 'nobody')).toEqual([4, 'OverlayNotFound'])
    const { moves } = (await json('overlay history')) as { moves: { overlayId: string }[] }
    expect(moves.map((move) => move.overlayId)).toEqual([
      'pause-admission',
      'no-cancel-2',
      'no-cancel-2',
      'pause-admission',
    ])
  })

  it('composes open overlays', async () => {
    const args = ['--strategy', 'Merge', '--overlay', 'tighter-data', '--overlay', 'scale-out']
    expect((await json('overlay compose', 'both', ...args)).result).toMatchObject({
      overlayId: 'both',
      phase: 'Shadow',
    })
    expect(await json('overlay get', 'both')).toMatchObject({ composition: { strategy: 'Merge' }, changes: 6 })
    await json('overlay promote', 'both')
    expect(await code(...create(SPEC, '{"customer":"C"}'))).toEqual([1, 'GuardViolation'])
    await json('overlay rollback', 'both')
  })

  it('rejects with the code of the reason', async () => {
    expect(await code('overlay', 'deploy', fixture('too-slow.json'))).toEqual([1, 'ObligationUnmet'])
    expect(await code('overlay', 'get', 'nobody')).toEqual([4, 'OverlayNotFound'])
    expect(await code('overlay', 'sigma', 'ab'.repeat(32))).toEqual([4, 'NotFound'])
    expect(await code('overlay', 'diff', 'active', 'nobody')).toEqual([4, 'OverlayNotFound'])
    await json('overlay mode set', 'Frozen')
    expect(await code('overlay', 'promote', 'scale-out')).toEqual([1, 'ModeNotNormal'])
    expect(await code('overlay', 'deploy', fixture('no-cancel.yaml'), '--id', 'x')).toEqual([1, 'ModeNotNormal'])
    await json('overlay mode set', 'Normal')
  })

  it('travels in files of operations', async () => {
    expect(await json('propose', '--file', fixture('freeze.ndjson'))).toMatchObject({ total: 6, ok: 6 })
    expect(await json('overlay mode show')).toMatchObject({ mode: 'Frozen', height: 1 })
    await json('overlay rollback', 'quiet-night')
    await json('overlay mode set', 'Normal')
  })

  it('says what is wrong with a file before it asks the cluster', async () => {
    const files: readonly (readonly [string, string, string])[] = [
      ['list.yaml', '- a\n', 'InvalidFile'],
      ['twice.yaml', 'scope: {}\nscope: {}\n', 'InvalidFile'],
      ['alias.yaml', 'scope: &a { patterns: [1] }\nchanges: [*a]\n', 'InvalidFile'],
      ['kind.yaml', 'type: CreateCase\n', 'InvalidFile'],
      ['field.yaml', 'scope: { pattern: [1] }\nchanges: []\n', 'InvalidArgument'],
      ['range.yaml', 'scope: { patterns: [44] }\nchanges: []\n', 'InvalidArgument'],
      ['scope.yaml', 'changes: []\n', 'InvalidArgument'],
      ['base.yaml', 'base: 1234\nscope: { patterns: [1] }\nchanges: []\n', 'InvalidArgument'],
    ]
    for (const [name, text, expected] of files) {
      const path = join(world.base, name)
      await writeFile(path, text)
      expect(await code('overlay', 'deploy', path), name).toEqual([2, expected])
    }
    expect(await code('overlay', 'deploy', join(world.base, 'none.yaml'))).toEqual([4, 'NotFound'])
    expect(await code('overlay', 'mode', 'set', 'Asleep')).toEqual([2, 'Usage'])
    expect(await code('overlay', 'promote', 'x', '--to', 'Shadow')).toEqual([2, 'Usage'])
    expect(await code('overlay', 'compose', 'x', '--strategy', 'Merge', '--overlay', 'a')).toEqual([
      2,
      'InvalidArgument',
    ])
  })

  it('leaves one state on all members, and a table for people', async () => {
    await json('wait', '--for', 'converged', '--timeout', '20')
    for (const words of [['list'], ['chain'], ['history'], ['sigma'], ['get', 'both'], ['diff', 'genesis', 'both']]) {
      const { exitCode, stdout, stderr } = await world.run(['overlay', ...words])
      expect([exitCode, stderr], words.join(' ')).toEqual([0, ''])
      expect(stdout.length, words.join(' ')).toBeGreaterThan(20)
    }
  })
})
