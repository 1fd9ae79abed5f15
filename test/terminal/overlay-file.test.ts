/**
 * Shows that overlay files are read as they look: the shipped ones are accepted by the state machine (and
 * the one that is meant to be rejected is), id and base come from flag, file or default in this order, and
 * what is wrong with a file is said without a cluster.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KnhkError } from '../../src/base/error.js'
import { type DeployFile, planDeploy } from '../../src/terminal/overlays/deploy.js'
import { operationFromJsonText } from '../../src/workflow/operation-json.js'
import { GENESIS_SIGMA } from '../../src/workflow/overlays/snapshot.js'
import { projectRoot } from '../project/project-root.js'
import { bytes } from '../workflow/harness.js'
import { OverlayStory } from '../workflow/overlay-harness.js'

const FIXTURES = join(projectRoot, 'fixtures', 'overlays')
const OTHER = 'ab'.repeat(32)
const BODY = 'scope: { patterns: [5] }\nchanges: [{ type: TogglePattern, patternId: 5, enabled: false }]\n'

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'knhk-overlays-'))
})
afterAll(() => rm(base, { recursive: true, force: true }))

async function plan(text: string, flags: Partial<DeployFile> = {}) {
  const path = join(base, 'overlay.yaml')
  await writeFile(path, text)
  return planDeploy({ path, overlayId: undefined, base: undefined, requestId: undefined, ...flags })
}

test('the shipped files are accepted, but for the one that breaks an obligation', async () => {
  const files = (await readdir(FIXTURES)).filter((name) => !name.endsWith('.ndjson'))
  expect(files.length).toBeGreaterThan(3)
  for (const name of files) {
    const flags = { overlayId: undefined, base: undefined, requestId: undefined }
    const { operation } = await planDeploy({ path: join(FIXTURES, name), ...flags })
    const expected = name === 'too-slow.json' ? 'ObligationUnmet' : 'ok'
    expect(new OverlayStory().run(operation(GENESIS_SIGMA)), name).toEqual([expected])
  }
  const lines = (await readFile(join(FIXTURES, 'freeze.ndjson'), 'utf8')).trim().split('\n')
  const operations = lines.map((line) => operationFromJsonText(bytes(line)))
  expect(new Set(new OverlayStory().run(...operations))).toEqual(new Set(['ok']))
})

describe('id and base', () => {
  test('may not be left open under a request id: every run deploys the same', async () => {
    const requestId = 'release-7'
    for (const head of ['', 'overlayId: mine\n', 'base: genesis\n', 'overlayId: mine\nbase: active\n'])
      await expect(plan(`${head}${BODY}`, { requestId })).rejects.toMatchObject({ code: 'Usage' })
    await expect(plan(`overlayId: mine\nbase: genesis\n${BODY}`, { requestId })).resolves.toBeDefined()
    await expect(plan(BODY, { requestId, overlayId: 'mine', base: OTHER })).resolves.toMatchObject({ base: OTHER })
  })

  test('of the flag win over those of the file, and both over the default', async () => {
    const named = await plan(`overlayId: file\nbase: ${OTHER}\n${BODY}`)
    expect(named.base).toBe(OTHER)
    expect(named.operation(OTHER)).toMatchObject({ overlayId: 'file', base: OTHER })
    const given = await plan(`overlayId: file\nbase: ${OTHER}\n${BODY}`, { overlayId: 'flag', base: 'genesis' })
    expect(given.base).toBe(GENESIS_SIGMA)
    expect(given.operation(GENESIS_SIGMA)).toMatchObject({ overlayId: 'flag' })
    expect((await plan(`base: ${OTHER}\n${BODY}`, { base: 'active' })).base).toBeNull()
    const plain = await plan(BODY)
    expect(plain.base).toBeNull()
    expect(plain.operation(GENESIS_SIGMA)).toMatchObject({ overlayId: expect.stringMatching(/^[0-9a-f-]{36}$/) })
  })
})

describe('a file is refused', () => {
  const table: readonly (readonly [string, string, string])[] = [
    ['that is a list', '- a\n', 'InvalidFile'],
    ['that is empty', '', 'InvalidFile'],
    ['with a key twice', `${BODY}${BODY}`, 'InvalidFile'],
    ['with aliases', 'scope: &a { patterns: [1] }\nchanges: [*a]\n', 'InvalidFile'],
    ['of another operation', `type: CreateCase\n${BODY}`, 'InvalidFile'],
    ['without a scope', 'changes: []\n', 'InvalidArgument'],
    ['without changes', 'scope: {}\n', 'InvalidArgument'],
    ['with an unknown field', `scop: {}\n${BODY}`, 'InvalidArgument'],
    ['with an unknown field in the scope', 'scope: { pattern: [1] }\nchanges: []\n', 'InvalidArgument'],
    ['with a pattern over 43', 'scope: { patterns: [44] }\nchanges: []\n', 'InvalidArgument'],
    ['with a specification that is no UUID', 'scope: { workflows: [x] }\nchanges: []\n', 'InvalidArgument'],
    ['with an unknown change', 'scope: { patterns: [1] }\nchanges: [{ type: Dance }]\n', 'InvalidArgument'],
    [
      'with a fraction as multiplier',
      'scope: { patterns: [1] }\nchanges: [{ type: AdjustResources, resource: memory, multiplier: 1.5 }]\n',
      'InvalidArgument',
    ],
    ['with a base that is no hash', `base: 1234\n${BODY}`, 'InvalidArgument'],
    ['with the name of a snapshot as id', `overlayId: genesis\n${BODY}`, 'InvalidArgument'],
  ]
  test.each(table)('%s', async (_what, text, code) => {
    const error = await plan(text).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(KnhkError)
    expect((error as KnhkError).code).toBe(code)
    expect((error as KnhkError).message).not.toContain('\n')
  })
})
