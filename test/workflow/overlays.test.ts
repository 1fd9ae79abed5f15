/**
 * Shows the life of an overlay: every way in which a deployment is rejected, the phases, when Σ* moves
 * and when it cannot, the way back, composition, and that state, digests and queries tell the same.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { toHex } from '../../src/base/bytes.js'
import { hasCode } from '../../src/base/error.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { SMALL_RESULT_BYTES } from '../../src/workflow/limits.js'
import { operationFromJson } from '../../src/workflow/operation-json.js'
import type { Operation } from '../../src/workflow/operations.js'
import { OPEN_OVERLAYS_MAX } from '../../src/workflow/overlays/limits.js'
import { MULTI_INSTANCE_PATTERNS, type OverlayChange, PATTERNS } from '../../src/workflow/overlays/overlay.js'
import { genesisSettings } from '../../src/workflow/overlays/settings.js'
import { encodeSnapshot, GENESIS_SIGMA } from '../../src/workflow/overlays/snapshot.js'
import { RestoredSpaces } from '../../src/workflow/restore-spaces.js'
import { CLIENTS, codeOf, create, move, put, requestOf, SPEC_ID, START_MS } from './harness.js'
import { advance, deploy, guard, OverlayStory, PROMOTED, rollback, toggle } from './overlay-harness.js'

const scale = (delta: number): OverlayChange => ({ type: 'ScaleMultiInstance', delta })
const ticks = (targetTicks: number): OverlayChange => ({ type: 'AdjustPerformance', targetTicks })
const resource = (name: string, multiplier: number): OverlayChange => ({
  type: 'AdjustResources',
  resource: name,
  multiplier,
})
const custom = (changeType: string, params = '{}'): OverlayChange => ({ type: 'Custom', changeType, params })
const mode = (to: 'Normal' | 'Conservative' | 'Frozen'): Operation => ({ type: 'SetOverlayMode', mode: to })

test('the name of genesis is the hash of what it holds', () => {
  expect(toHex(sha256(encodeSnapshot(null, genesisSettings())))).toBe(GENESIS_SIGMA)
})

describe('docs/workflow/overlays.md', () => {
  const page = readFileSync(new URL('../../docs/workflow/overlays.md', import.meta.url), 'utf8')

  test('tells the name of genesis, its guards, and every code of a rejection', () => {
    expect(page).toContain(GENESIS_SIGMA)
    for (const path of genesisSettings().keys()) {
      const [kind, name] = path.split(':')
      if (kind === 'guard') expect(page).toContain(name)
    }
    for (const code of [
      ...['EmptyScope', 'EmptyChanges', 'ChangeOutsideScope', 'ConflictingChanges', 'ObligationUnmet', 'ModeNotNormal'],
      ...['OverlayLimit', 'IncompatibleBase', 'OverlayExists', 'NotHead', 'GenesisRollback', 'InvalidPhaseTransition'],
      ...['OverlappingScopes', 'PatternDisabled', 'GuardViolation', 'ConcurrencyLimit'],
    ]) {
      expect(page).toContain(code)
    }
  })

  test('has an example that is accepted', () => {
    const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? []
    const example = operationFromJson({ ...parse(yaml), type: 'DeployOverlay', base: GENESIS_SIGMA })
    expect(new OverlayStory().run(example)).toEqual(['ok'])
  })
})

describe('a deployment', () => {
  const rejections: readonly (readonly [string, string, Operation, object | string])[] = [
    ['an empty scope', 'EmptyScope', deploy('o', [toggle(5)]), {}],
    ['empty changes', 'EmptyChanges', deploy('o', [], { patterns: [5] }), {}],
    [
      'a pattern outside the scope',
      'ChangeOutsideScope',
      deploy('o', [toggle(5), toggle(6)], { patterns: [5] }),
      { change: 1, type: 'TogglePattern' },
    ],
    ['a guard outside the scope', 'ChangeOutsideScope', deploy('o', [guard('g', 1)], { guards: ['h'] }), {}],
    ['instances without their patterns', 'ChangeOutsideScope', deploy('o', [scale(1)], { patterns: [11, 16] }), {}],
    ['performance of nothing', 'ChangeOutsideScope', deploy('o', [ticks(4)], { guards: ['g'] }), {}],
    [
      'concurrency of one workflow',
      'ChangeOutsideScope',
      deploy('o', [resource('concurrency', 50)], { workflows: [SPEC_ID] }),
      {},
    ],
    [
      'a base that is not the head',
      'IncompatibleBase',
      deploy('o', [toggle(5)], { patterns: [5] }, 'ab'.repeat(32)),
      { activeSigma: GENESIS_SIGMA },
    ],
    [
      'the same guard twice',
      'ConflictingChanges',
      deploy('o', [guard('g', 1), guard('g', 2)], { guards: ['g'] }),
      { matter: 'guard:g' },
    ],
    ['the same pattern twice', 'ConflictingChanges', deploy('o', [toggle(5), toggle(5, true)], { patterns: [5] }), {}],
    ['two targets', 'ConflictingChanges', deploy('o', [ticks(4), ticks(5)], { patterns: [5] }), {}],
    [
      'the same resource twice',
      'ConflictingChanges',
      deploy('o', [resource('r', 4), resource('r', 5)], { patterns: [5] }),
      {},
    ],
    ['no way to end a case', 'ObligationUnmet', deploy('o', [toggle(20), toggle(43)], { patterns: [20, 43] }), 'Q1'],
    [
      'a guard of another type',
      'ObligationUnmet',
      deploy('o', [guard('admission', 5)], { guards: ['admission'] }),
      'Q2',
    ],
    ['longer runs', 'ObligationUnmet', deploy('o', [guard('max_run_len', 9)], { guards: ['max_run_len'] }), 'Q3'],
    [
      'a slower warm path',
      'ObligationUnmet',
      deploy('o', [guard('warm_path_ms', 101)], { guards: ['warm_path_ms'] }),
      'Q4',
    ],
    ['more memory', 'ObligationUnmet', deploy('o', [resource('memory', 201)], { patterns: [1] }), 'Q5'],
    ['more processor', 'ObligationUnmet', deploy('o', [resource('cpu', 201)], { patterns: [1] }), 'Q5'],
    ['over 8 ticks', 'ObligationUnmet', deploy('o', [ticks(9)], { patterns: [3] }), 'Performance'],
    [
      'more cases than the doctrine',
      'ObligationUnmet',
      deploy('o', [resource('concurrency', 101)], { tags: { a: 'b' } }),
      'Doctrine',
    ],
    ['more instances', 'ObligationUnmet', deploy('o', [scale(57)], { patterns: [13] }), 'Doctrine'],
    ['no instances', 'ObligationUnmet', deploy('o', [scale(-8)], { patterns: [13] }), 'Doctrine'],
    [
      'less room than instances',
      'ObligationUnmet',
      deploy('o', [resource('parallelism', 12)], { patterns: [13] }),
      'Doctrine',
    ],
    [
      'too many settings touched',
      'OverlayLimit',
      deploy('o', [ticks(4)], {
        workflows: Array.from({ length: 256 }, (_, i) => SPEC_ID.slice(0, -4) + i.toString(16).padStart(4, '0')),
        patterns: [...PATTERNS],
        tags: { all: '' },
      }),
      {},
    ],
  ]

  test.each(rejections)('with %s is %s', (_what, code, operation, details) => {
    const story = new OverlayStory()
    const before = story.digests().dataDigest
    const [result] = story.results(operation)
    expect(codeOf(result)).toBe(code)
    const expected = typeof details === 'string' ? { obligation: details } : details
    expect(result?.outcome).toMatchObject({ details: expected })
    expect(story.digests().dataDigest, 'a rejection changes nothing').toBe(before)
  })

  test('at the bounds of every obligation is accepted', () => {
    const story = new OverlayStory()
    const guards = ['admission', 'max_run_len', 'warm_path_ms', 'tail_latency_ms', 'own', 'required_data_keys']
    const changes = [
      ...[guard('admission', 'closed'), guard('max_run_len', 1), guard('warm_path_ms', 100), guard('own', true)],
      ...[guard('tail_latency_ms', 500), guard('required_data_keys', 'a, b')],
      ...[scale(56), ticks(8), toggle(20), resource('memory', 200), resource('cpu', 200), resource('disk', 10_000)],
      ...[resource('concurrency', 100), custom('x', '{"a":[1]}')],
    ]
    expect(story.run(deploy('o', changes, { guards, patterns: [12, 20] }))).toEqual(['ok'])
    const { changes: diff } = story.query('sigma.diff', { from: 'genesis', to: 'o' }) as { changes: { path: string }[] }
    expect(diff.map(({ path }) => path)).toEqual([
      'custom:x',
      'guard:admission',
      'guard:max_run_len',
      'guard:own',
      'guard:required_data_keys',
      'instances:12',
      'pattern:20',
      'resource:concurrency',
      'resource:cpu',
      'resource:disk',
      'resource:memory',
    ])
  })

  test('meets the obligations for every workflow, whichever part of the configuration changes', () => {
    const workflows = [SPEC_ID]
    const own = { Q1: [toggle(43)], Doctrine: [scale(40)] }
    const all = { Q1: [toggle(20)], Doctrine: [resource('parallelism', 50)] }
    for (const obligation of ['Q1', 'Doctrine'] as const) {
      for (const [first, second] of [
        [
          { changes: own[obligation], workflows },
          { changes: all[obligation], workflows: [] },
        ],
        [
          { changes: all[obligation], workflows: [] },
          { changes: own[obligation], workflows },
        ],
      ] as const) {
        const story = new OverlayStory()
        const patterns = [12, 20, 43]
        expect(story.run(deploy('a', first.changes, { patterns, workflows: first.workflows }))).toEqual(['ok'])
        story.promote('a')
        const then = deploy('b', second.changes, { patterns, workflows: second.workflows }, story.head)
        expect(story.results(then)[0]?.outcome).toMatchObject({ code: 'ObligationUnmet', details: { obligation } })
      }
    }
  })

  test('twice with one id is OverlayExists, whatever became of the first', () => {
    const story = new OverlayStory()
    expect(story.run(deploy('o', [toggle(5)], { patterns: [5] }))).toEqual(['ok'])
    expect(story.run(deploy('o', [toggle(6)], { patterns: [6] }))).toEqual(['OverlayExists'])
    expect(story.run(rollback('o'), deploy('o', [toggle(6)], { patterns: [6] }))).toEqual(['ok', 'OverlayExists'])
  })

  test('names Σ′ by its content: the same changes on the same base, the same name', () => {
    const story = new OverlayStory()
    const a = story.data(deploy('a', [toggle(5)], { patterns: [5] }))
    const b = story.data(deploy('b', [toggle(5)], { patterns: [5, 6], tags: { why: 'twin' } }))
    const c = story.data(deploy('c', [toggle(6)], { patterns: [6] }))
    expect(b.sigma).toBe(a.sigma)
    expect(c.sigma).not.toBe(a.sigma)
    expect(a).toMatchObject({ overlayId: 'a', phase: 'Shadow', activeSigma: GENESIS_SIGMA })
    expect(story.query('sigma.get', { sigma: 'a' })).toMatchObject({ sigma: a.sigma, parent: GENESIS_SIGMA })
  })

  test('is for operators', () => {
    for (const client of ['reader', 'writer']) {
      const story = new OverlayStory(client)
      expect(story.run(deploy('o', [toggle(5)], { patterns: [5] }), mode('Frozen'), rollback('o'))).toEqual([
        'NotPermitted',
        'NotPermitted',
        'NotPermitted',
      ])
    }
    expect(new OverlayStory('admin').run(deploy('o', [toggle(5)], { patterns: [5] }))).toEqual(['ok'])
  })

  test('over the number of open overlays is OverlayLimit; an end makes room', () => {
    const story = new OverlayStory()
    const many = Array.from({ length: OPEN_OVERLAYS_MAX }, (_, i) => deploy(`o${i}`, [toggle(5)], { patterns: [5] }))
    expect(new Set(story.run(...many))).toEqual(new Set(['ok']))
    const one = (id: string) => deploy(id, [toggle(5)], { patterns: [5] })
    expect(story.run(one('x'), rollback('o3'), one('x'), one('y'))).toEqual([
      'OverlayLimit',
      'ok',
      'ok',
      'OverlayLimit',
    ])
    expect(story.promote('o4')).toEqual(PROMOTED)
    expect(story.run(deploy('y', [toggle(6)], { patterns: [6] }, story.head))).toEqual(['ok'])
  })

  test('malformed or of a wrong form is InvalidOperation, and never stops the machine', () => {
    const story = new OverlayStory()
    const bodies = [[37], [37, 0, 0, 0, 0], [38, 1, 0, 0, 0, 0x6f, 9], [41, 3], [41, 0, 0], [42]]
    const results = story.submit(
      story.session,
      bodies.map((body) => Uint8Array.from(body)),
      'operator',
    )
    expect(new Set(results.map(codeOf))).toEqual(new Set(['InvalidOperation']))
    // Well-formed bytes with an id that only a client of another kind would send.
    expect(story.submit(story.session, [Uint8Array.from([38, 1, 0, 0, 0, 0x20, 1])], 'operator').map(codeOf)).toEqual([
      'InvalidOperation',
    ])
  })
})

describe('phases', () => {
  test('go one by one, and only the last step moves Σ*', () => {
    const story = new OverlayStory()
    const { sigma } = story.data(deploy('o', [toggle(5)], { patterns: [5] }))
    expect(story.run(advance('o', 'Validate'), advance('o', 'Promoted'), advance('o', 'Shadow'))).toEqual(
      Array(3).fill('InvalidPhaseTransition'),
    )
    for (const to of ['Test', 'Validate', 'Promote'] as const) {
      expect(story.run(advance('o', to))).toEqual(['ok'])
      expect(story.head).toBe(GENESIS_SIGMA)
    }
    expect(story.data(advance('o', 'Promoted'))).toEqual({
      overlayId: 'o',
      phase: 'Promoted',
      sigma,
      activeSigma: sigma,
    })
    expect(story.head).toBe(sigma)
    expect(story.run(advance('o', 'Promoted'), advance('o', 'RolledBack'))).toEqual(
      Array(2).fill('InvalidPhaseTransition'),
    )
    expect(story.run(advance('nobody', 'Test'), rollback('nobody'))).toEqual(['OverlayNotFound', 'OverlayNotFound'])
  })

  test('the last step checks the base again', () => {
    const story = new OverlayStory()
    story.run(deploy('a', [toggle(5)], { patterns: [5] }), deploy('b', [toggle(6)], { patterns: [6] }))
    expect(story.promote('a')).toEqual(PROMOTED)
    expect(story.promote('b')).toEqual(['ok', 'ok', 'ok', 'IncompatibleBase'])
    expect(story.query('overlay.get', { overlayId: 'b' })).toMatchObject({ phase: 'Promote' })
  })

  test('an overlay ends by a roll-back in any phase before the last', () => {
    for (let steps = 0; steps < 4; steps++) {
      const story = new OverlayStory()
      story.run(deploy('o', [toggle(5)], { patterns: [5] }))
      for (const to of (['Test', 'Validate', 'Promote'] as const).slice(0, steps)) story.run(advance('o', to))
      expect(story.data(rollback('o', 'too slow'))).toMatchObject({ phase: 'RolledBack', activeSigma: GENESIS_SIGMA })
      expect(story.run(advance('o', 'Test'), rollback('o'))).toEqual(Array(2).fill('InvalidPhaseTransition'))
      expect(story.query('overlay.get', { overlayId: 'o' })).toMatchObject({ phase: 'RolledBack', reason: 'too slow' })
    }
  })

  test('a promoted one goes back only as the head, and genesis never', () => {
    const story = new OverlayStory()
    story.run(deploy('a', [toggle(5)], { patterns: [5] }))
    story.promote('a')
    const first = story.head
    story.run(deploy('b', [toggle(6)], { patterns: [6] }, first))
    story.promote('b')
    expect(story.run(rollback('a'))).toEqual(['NotHead'])
    expect(story.data(rollback('b'))).toMatchObject({ phase: 'RolledBack', activeSigma: first })
    expect(story.data(rollback('a'))).toMatchObject({ activeSigma: GENESIS_SIGMA })
    expect(story.run(rollback('genesis'), rollback(GENESIS_SIGMA))).toEqual(['GenesisRollback', 'GenesisRollback'])
    const { moves } = story.query('sigma.history') as { moves: { overlayId: string; to: string }[] }
    expect(moves.map(({ overlayId, to }) => [overlayId, to === GENESIS_SIGMA])).toEqual([
      ['a', false],
      ['b', false],
      ['b', false],
      ['a', true],
    ])
  })
})

describe('the mode', () => {
  test.each(['Conservative', 'Frozen'] as const)('%s lets nothing go forward, and everything back', (to) => {
    const story = new OverlayStory()
    story.run(deploy('o', [toggle(5)], { patterns: [5] }), deploy('p', [toggle(6)], { patterns: [6] }))
    expect(story.data(mode(to))).toEqual({ mode: to })
    const refused = [
      deploy('q', [toggle(5)], { patterns: [5] }),
      advance('o', 'Test'),
      { type: 'ComposeOverlays', overlayId: 'q', strategy: 'Merge', overlays: ['o', 'p'] } as const,
    ]
    expect(story.run(...refused)).toEqual(Array(3).fill('ModeNotNormal'))
    expect(story.run(rollback('o'))).toEqual(['ok'])
    expect(story.query('sigma.chain')).toMatchObject({ mode: to, openOverlays: 1 })
    expect(story.run(mode('Normal'), advance('p', 'Test'))).toEqual(['ok', 'ok'])
  })
})

describe('a composition', () => {
  const composed = (strategy: 'Sequential' | 'Parallel' | 'Merge', ...overlays: string[]): Operation => ({
    type: 'ComposeOverlays',
    overlayId: `${strategy}-${overlays.join('-')}`,
    strategy,
    overlays,
  })
  const value = (story: OverlayStory, sigma: string, path: string) =>
    (story.query('sigma.get', { sigma }) as { settings: { path: string; value: unknown }[] }).settings.find(
      (one) => one.path === path,
    )?.value

  function made(): OverlayStory {
    const story = new OverlayStory()
    const guards = ['g']
    story.run(
      deploy('one', [guard('g', 1), scale(2)], { guards, patterns: [...MULTI_INSTANCE_PATTERNS] }),
      deploy('two', [guard('g', 2), toggle(5)], { guards, patterns: [5] }),
      deploy('far', [toggle(7), resource('disk', 50)], { patterns: [7] }),
      deploy('far2', [toggle(8), resource('disk', 60)], { patterns: [8] }),
      deploy('near', [toggle(9), scale(3)], { patterns: [9, 12] }),
    )
    return story
  }

  test('in sequence lets the later win, and adds up what adds up', () => {
    const story = made()
    expect(story.run(composed('Sequential', 'one', 'two', 'near'))).toEqual(['ok'])
    const id = 'Sequential-one-two-near'
    expect([value(story, id, 'guard:g'), value(story, id, 'instances:12'), value(story, id, 'pattern:05')]).toEqual([
      2,
      13,
      false,
    ])
    expect(story.run(composed('Sequential', 'two', 'one'))).toEqual(['ok'])
    expect(value(story, 'Sequential-two-one', 'guard:g')).toBe(1)
    expect(story.promote(id)).toEqual(PROMOTED)
    expect(story.query('overlay.get', { overlayId: id })).toMatchObject({
      composition: { strategy: 'Sequential', overlays: ['one', 'two', 'near'] },
      changes: 6,
    })
  })

  test('in parallel needs scopes, and settings, apart', () => {
    const story = made()
    expect(story.run(composed('Parallel', 'one', 'far'), composed('Parallel', 'two', 'far'))).toEqual(['ok', 'ok'])
    expect(story.run(composed('Parallel', 'one', 'two'), composed('Parallel', 'one', 'near'))).toEqual(
      Array(2).fill('OverlappingScopes'),
    )
    expect(story.run(composed('Parallel', 'far', 'far2'))).toEqual(['ConflictingChanges'])
  })

  test('by merge needs no contradiction', () => {
    const story = made()
    expect(story.run(composed('Merge', 'one', 'near'), composed('Merge', 'two', 'far', 'near'))).toEqual(['ok', 'ok'])
    expect(value(story, 'Merge-one-near', 'instances:12')).toBe(13)
    expect(story.run(composed('Merge', 'one', 'two'), composed('Merge', 'far', 'far2'))).toEqual(
      Array(2).fill('ConflictingChanges'),
    )
  })

  test('is of open overlays on the head, and meets the obligations itself', () => {
    const story = made()
    expect(story.run(composed('Merge', 'one', 'nobody'))).toEqual(['OverlayNotFound'])
    story.run(deploy('c', [toggle(20)], { patterns: [20] }), deploy('t', [toggle(43)], { patterns: [43] }))
    expect(story.run(composed('Merge', 'c', 't'))).toEqual(['ObligationUnmet'])
    story.run(rollback('two'))
    expect(story.run(composed('Merge', 'one', 'two'))).toEqual(['InvalidPhaseTransition'])
    story.promote('far')
    expect(story.run(composed('Merge', 'one', 'near'))).toEqual(['IncompatibleBase'])
    expect(story.run(composed('Merge', 'near', 'far'))).toEqual(['IncompatibleBase'])
  })
})

describe('queries', () => {
  const story = new OverlayStory()
  const ids = Array.from({ length: 45 }, (_, i) => `o-${String(i).padStart(2, '0')}`)
  for (const [i, id] of ids.entries()) {
    story.nowMs = START_MS + i
    story.run(deploy(id, [toggle((i % 40) + 1)], { patterns: [(i % 40) + 1], tags: { n: String(i) } }, story.head))
    if (i % 9 === 0) story.promote(id)
  }

  function all(name: string, field: string, args: Record<string, unknown>): Record<string, unknown>[] {
    const rows: Record<string, unknown>[] = []
    for (let cursor: string | null = null; ; ) {
      const page = story.query(name, { ...args, cursor }) as Record<string, unknown>
      rows.push(...(page[field] as Record<string, unknown>[]))
      cursor = page.cursor as string | null
      if (cursor === null) return rows
    }
  }

  test.each([1, 7, 44, 45, 46])('pages of %i give every overlay once', (limit) => {
    const listed = (args: object) => all('overlay.list', 'overlays', { limit, ...args }).map((one) => one.overlayId)
    expect(listed({})).toEqual(ids)
    expect(listed({ reverse: true })).toEqual([...ids].reverse())
    expect(listed({ phase: 'Promoted' })).toEqual(ids.filter((_, i) => i % 9 === 0))
    expect(listed({ phase: 'RolledBack' })).toEqual([])
  })

  test.each([1, 2, 5, 100])('pages of %i walk the chain from the head to genesis', (limit) => {
    const chain = all('sigma.chain', 'snapshots', { limit })
    expect(chain.map((one) => one.overlayId)).toEqual(['o-36', 'o-27', 'o-18', 'o-09', 'o-00', null])
    for (const [i, one] of chain.entries()) expect(one.parent).toBe(chain[i + 1]?.sigma ?? null)
    expect(chain.at(-1)).toMatchObject({ sigma: GENESIS_SIGMA, promotedIndex: null })
    expect(all('sigma.history', 'moves', { limit }).map((one) => one.overlayId)).toEqual(
      ['o-36', 'o-27', 'o-18', 'o-09', 'o-00'].reverse(),
    )
  })

  test('one overlay tells its parts and its steps', () => {
    expect(story.query('overlay.get', { overlayId: 'o-09' })).toMatchObject({
      overlayId: 'o-09',
      phase: 'Promoted',
      parts: [{ scope: { patterns: [10], tags: { n: '9' } }, changes: [{ type: 'TogglePattern', patternId: 10 }] }],
      steps: ['Shadow', 'Test', 'Validate', 'Promote', 'Promoted'].map((phase) => ({ phase, actor: 'the-operator' })),
    })
  })

  test('a difference is exact, both ways', () => {
    expect(story.query('sigma.diff', { from: 'genesis', to: 'active' })).toEqual({
      from: GENESIS_SIGMA,
      to: story.head,
      changes: [1, 10, 19, 28, 37].map((n) => ({
        path: `pattern:${String(n).padStart(2, '0')}`,
        from: true,
        to: false,
      })),
    })
    expect(story.query('sigma.diff', { from: 'o-36', to: 'o-27' })).toMatchObject({
      changes: [{ path: 'pattern:37', from: false, to: true }],
    })
    expect(story.query('sigma.diff', { from: 'active', to: story.head })).toMatchObject({ changes: [] })
  })

  test('arguments are refused by name', () => {
    const code = (name: string, args: Record<string, unknown>) => {
      try {
        story.query(name, args)
        return 'ok'
      } catch (error) {
        return ['OverlayNotFound', 'NotFound', 'InvalidArgument'].find((one) => hasCode(error, one as 'NotFound'))
      }
    }
    expect(code('overlay.get', { overlayId: 'nobody' })).toBe('OverlayNotFound')
    expect(code('overlay.get', {})).toBe('InvalidArgument')
    expect(code('overlay.get', { overlayId: 'ü' })).toBe('InvalidArgument')
    expect(code('overlay.list', { phase: 'Dusk' })).toBe('InvalidArgument')
    expect(code('sigma.get', { sigma: 'ab'.repeat(32) })).toBe('NotFound')
    expect(code('sigma.diff', { from: 'genesis' })).toBe('InvalidArgument')
    expect(code('sigma.diff', { from: 'genesis', to: 'nobody' })).toBe('OverlayNotFound')
    expect(code('sigma.chain', { cursor: '00' })).toBe('InvalidArgument')
  })
})

describe('the replicated state', () => {
  test('goes through a restart byte for byte, and applies the same afterwards', () => {
    const tell = (restarts: boolean) => {
      const story = new OverlayStory()
      const again = () => restarts && story.restart()
      story.run(deploy('a', [toggle(5), guard('g', 'é')], { patterns: [5], guards: ['g'] }))
      again()
      story.run(deploy('b', [toggle(6)], { patterns: [6] }))
      story.promote('a')
      again()
      story.run(mode('Conservative'), rollback('b', 'enough'), mode('Normal'))
      again()
      story.run(deploy('c', [toggle(20)], { patterns: [20] }, story.head))
      story.promote('c')
      again()
      return { digests: story.digests(), chain: story.query('sigma.chain'), pairs: [...story.state.pairs].sort() }
    }
    expect(tell(true)).toEqual(tell(false))
  })

  test('is the beginning of a restored cluster: the same data digest, and Σ* governs on', () => {
    const story = new OverlayStory()
    story.run(deploy('a', [toggle(20)], { patterns: [20] }))
    story.promote('a')
    const { dataDigest } = story.digests()
    const spaces = new RestoredSpaces(CLIENTS)
    const pairs = story.state.range('', '\xff').flatMap((pair) => spaces.take(pair))
    const restored = new OverlayStory()
    restored.adopt([...pairs, ...spaces.end()], story.machine.appliedIndex)
    expect(restored.digests().dataDigest).toBe(dataDigest)
    expect(restored.query('sigma.chain')).toMatchObject({ activeSigma: story.head, height: 1 })
    expect(restored.run(create(), move('cancelled'))).toEqual(['ok', 'PatternDisabled'])
    expect(restored.run(rollback('a'), move('cancelled'))).toEqual(['ok', 'ok'])
  })

  test('is in both digests', () => {
    const story = new OverlayStory()
    const digests = [story.digests()]
    for (const operation of [
      deploy('a', [toggle(5)], { patterns: [5] }),
      advance('a', 'Test'),
      rollback('a'),
      mode('Frozen'),
    ]) {
      story.run(operation)
      digests.push(story.digests())
    }
    expect(new Set(digests.map(({ dataDigest }) => dataDigest)).size).toBe(5)
    expect(new Set(digests.map(({ stateDigest }) => stateDigest)).size).toBe(5)
  })

  test('takes a retry for what it is', () => {
    const story = new OverlayStory()
    const request = requestOf([deploy('a', [toggle(5)], { patterns: [5] }), put('k', 'v')], {
      session: story.session,
      sequence: 500,
      client: 'operator',
    })
    const first = story.apply(request)
    const { dataDigest } = story.digests()
    expect(story.apply(request)[0]?.map(codeOf)).toEqual(first[0]?.map(codeOf))
    expect(first[0]?.map(codeOf)).toEqual(['ok', 'ok'])
    expect(story.digests().dataDigest).toBe(dataDigest)
  })

  test('every result is small enough to be kept', () => {
    const story = new OverlayStory()
    const long = 'n'.repeat(64)
    const entry = (operation: Operation) => story.results(operation).map(({ outcome }) => outcome)
    const outcomes = [
      deploy(long, [guard(long, 1), guard(long, 2)], { guards: [long] }),
      deploy(long, [guard('required_data_keys', 5)], { guards: ['required_data_keys'], workflows: [SPEC_ID] }),
      deploy(long, [toggle(1)], { patterns: [1] }, 'ab'.repeat(32)),
      deploy(long, [toggle(1)], { patterns: [1] }),
      advance(long, 'RolledBack'),
      rollback(long, 'r'.repeat(512)),
    ].flatMap(entry)
    for (const outcome of outcomes) {
      const size = outcome.ok ? outcome.payload.length + 5 : JSON.stringify(outcome).length
      expect(size, JSON.stringify(outcome)).toBeLessThan(outcome.ok ? SMALL_RESULT_BYTES : 400)
    }
    expect(outcomes.map(({ ok }) => ok)).toEqual([false, false, false, true, false, true])
  })
})
