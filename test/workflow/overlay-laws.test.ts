/**
 * Shows laws of overlays on generated ones: codecs and JSON lose nothing, composition agrees with
 * deploying one after the other, parallel and merged compositions do not depend on the order, what is
 * accepted meets every obligation, promotion and roll-back are inverse, and any history leaves one
 * state: replayed, restarted, in any slices.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hasCode } from '../../src/base/error.js'
import { encodeBody } from '../../src/consensus/request-body.js'
import { decodeOperation, encodeOperation } from '../../src/workflow/operation-codec.js'
import { operationFromJson, operationFromJsonText, operationToJson } from '../../src/workflow/operation-json.js'
import type { Operation } from '../../src/workflow/operations.js'
import { applyParts } from '../../src/workflow/overlays/changes.js'
import { compose } from '../../src/workflow/overlays/compose.js'
import { obligationRefusal } from '../../src/workflow/overlays/obligations.js'
import {
  COMPOSITION_STRATEGIES,
  OVERLAY_MODES,
  OVERLAY_PHASES,
  type OverlayChange,
  type OverlayPart,
  type OverlayScope,
} from '../../src/workflow/overlays/overlay.js'
import { genesisSettings, type Settings, settingsDifference } from '../../src/workflow/overlays/settings.js'
import { decodeSnapshot, encodeSnapshot, GENESIS_SIGMA } from '../../src/workflow/overlays/snapshot.js'
import { applyEntry, bytes, digestsOf, MapState, newMachine, requestOf } from './harness.js'
import { OverlayStory } from './overlay-harness.js'

const name = fc.constantFrom('admission', 'max_run_len', 'max_call_depth', 'g', 'own/x', 'warm_path_ms')
const workflow = fc.constantFrom(...[1, 2, 3].map((n) => `aaaaaaaa-bbbb-4ccc-8ddd-00000000000${n}`))
const pattern = fc.integer({ min: 1, max: 43 })
const unique = <T>(of: fc.Arbitrary<T>, maxLength: number) => fc.uniqueArray(of, { maxLength })
const word = fc.string({ unit: 'grapheme', maxLength: 8 })

const scopes: fc.Arbitrary<OverlayScope> = fc.record({
  workflows: unique(workflow, 2),
  patterns: unique(pattern, 6),
  guards: unique(name, 3),
  tags: fc.dictionary(fc.constantFrom('team', 'risk', 'a.b'), word, { maxKeys: 2 }).map((tags) => ({ ...tags })),
})
const changes: fc.Arbitrary<OverlayChange> = fc.oneof(
  fc.record({ type: fc.constant('ScaleMultiInstance' as const), delta: fc.integer({ min: -9, max: 60 }) }),
  fc.record({ type: fc.constant('AdjustPerformance' as const), targetTicks: fc.integer({ min: 1, max: 10 }) }),
  fc.record({
    type: fc.constant('ModifyGuard' as const),
    guardName: name,
    newValue: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom('open', 'closed'), fc.boolean(), word),
  }),
  fc.record({ type: fc.constant('TogglePattern' as const), patternId: pattern, enabled: fc.boolean() }),
  fc.record({
    type: fc.constant('AdjustResources' as const),
    resource: fc.constantFrom('memory', 'cpu', 'disk', 'parallelism', 'concurrency'),
    multiplier: fc.integer({ min: 1, max: 220 }),
  }),
  fc.record({
    type: fc.constant('Custom' as const),
    changeType: fc.constantFrom('x', 'y'),
    params: fc.dictionary(fc.constantFrom('a', 'b'), fc.integer()).map((value) => JSON.stringify(value)),
  }),
)
const parts: fc.Arbitrary<OverlayPart> = fc.record({ scope: scopes, changes: fc.array(changes, { maxLength: 5 }) })
/** Whose scope names what the changes touch, so that most deployments are accepted. */
const fitting: fc.Arbitrary<OverlayPart> = fc
  .record({ scope: scopes, changes: fc.array(changes, { minLength: 1, maxLength: 3 }) })
  .map((part) => ({
    ...part,
    scope: {
      ...part.scope,
      patterns: [...new Set([12, ...part.scope.patterns, ...part.changes.flatMap(patternOf)])],
      guards: [...new Set([...part.scope.guards, ...part.changes.flatMap(guardOf)])],
    },
  }))
const patternOf = (change: OverlayChange) => (change.type === 'TogglePattern' ? [change.patternId] : [])
const guardOf = (change: OverlayChange) => (change.type === 'ModifyGuard' ? [change.guardName] : [])

const id = fc.constantFrom('a', 'b', 'c', 'd')
const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(id, fitting).map(([overlayId, part]) => deployment(overlayId, part)) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('AdvanceOverlay' as const),
      overlayId: id,
      to: fc.constantFrom(...OVERLAY_PHASES),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('RollbackOverlay' as const),
      overlayId: fc.oneof(id, fc.constant('genesis')),
      reason: fc.option(word),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('ComposeOverlays' as const),
      overlayId: fc.constantFrom('e', 'f'),
      strategy: fc.constantFrom(...COMPOSITION_STRATEGIES),
      overlays: fc.uniqueArray(id, { minLength: 2, maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('SetOverlayMode' as const), mode: fc.constantFrom(...OVERLAY_MODES) }),
  },
)
function deployment(overlayId: string, part: OverlayPart, base = GENESIS_SIGMA): Operation {
  return { type: 'DeployOverlay', overlayId, base, ...part }
}

describe('codecs', () => {
  test('operations survive the way through bytes and through JSON', () => {
    fc.assert(
      fc.property(operations, (operation) => {
        expect(decodeOperation(encodeOperation(operation))).toEqual(operation)
        expect(operationFromJson(operationToJson(operation))).toEqual(operation)
        expect(operationFromJsonText(bytes(JSON.stringify(operationToJson(operation))))).toEqual(operation)
      }),
    )
  })

  test('changed bytes decode to what encodes to them, or not at all', () => {
    fc.assert(
      fc.property(operations, fc.nat(), fc.nat({ max: 255 }), (operation, at, to) => {
        const changed = encodeOperation(operation)
        // Not the type: other operations have laws of their own.
        changed[1 + (at % (changed.length - 1))] = to
        let again: Uint8Array
        try {
          again = encodeOperation(decodeOperation(changed))
        } catch (error) {
          expect(hasCode(error, 'ProtocolViolation') || hasCode(error, 'InvalidArgument')).toBe(true)
          return
        }
        expect(again).toEqual(changed)
      }),
    )
  })

  test('changed bytes never stop the machine, and mean the same to two of them', () => {
    const mutation = fc.tuple(fc.nat(), fc.nat({ max: 255 }))
    fc.assert(
      fc.property(
        fc.array(fc.tuple(operations, fc.array(mutation, { maxLength: 3 })), { minLength: 1, maxLength: 6 }),
        (list) => {
          const changed = list.map(([operation, mutations]) => {
            const encoded = encodeOperation(operation)
            for (const [at, to] of mutations) encoded[1 + (at % (encoded.length - 1))] = to
            return encoded
          })
          const [one, two] = [new OverlayStory(), new OverlayStory()]
          one.submit(one.session, changed, 'operator')
          for (const bytesOfOne of changed) two.submit(two.session, [bytesOfOne], 'operator')
          expect(two.query('overlay.list', { limit: 1000 })).toMatchObject({ cursor: null })
          expect(two.head).toBe(one.head)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('a snapshot survives, and its bytes do not depend on the order in which settings came', () => {
    fc.assert(
      fc.property(parts, (part) => {
        const settings = applyParts(genesisSettings(), [part])
        const content = encodeSnapshot(null, settings)
        expect(decodeSnapshot(content)).toEqual({ parent: null, settings: new Map([...settings].sort()) })
        expect(encodeSnapshot(null, new Map([...settings].reverse()))).toEqual(content)
      }),
    )
  })
})

describe('composition', () => {
  const same = (a: Settings, b: Settings) => expect(settingsDifference(a, b)).toEqual([])

  test('in sequence is one after the other', () => {
    fc.assert(
      fc.property(fc.array(parts, { minLength: 2, maxLength: 4 }), (list) => {
        const composed = compose(
          'Sequential',
          list.map((part) => [part]),
        )
        const stepwise = list.reduce<Settings>((settings, part) => applyParts(settings, [part]), genesisSettings())
        same(applyParts(genesisSettings(), composed.parts ?? []), stepwise)
      }),
    )
  })

  test.each(['Parallel', 'Merge'] as const)('%s does not depend on the order, neither whether nor what', (strategy) => {
    let accepted = 0
    fc.assert(
      fc.property(fc.array(parts, { minLength: 2, maxLength: 3 }), (list) => {
        const whole = list.map((part) => [part])
        const [forth, back] = [compose(strategy, whole), compose(strategy, [...whole].reverse())]
        expect(forth.refusal?.code).toBe(back.refusal?.code)
        if (forth.parts === null || back.parts === null) return
        accepted++
        same(applyParts(genesisSettings(), forth.parts), applyParts(genesisSettings(), back.parts))
      }),
      { numRuns: 400 },
    )
    expect(accepted).toBeGreaterThan(10)
  })

  test('scopes of accepted parallel overlays are disjoint', () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        if (compose('Parallel', [[a], [b]]).parts === null) return
        for (const field of ['workflows', 'patterns', 'guards'] as const) {
          const items: readonly unknown[] = b.scope[field]
          expect(a.scope[field].filter((item) => items.includes(item))).toEqual([])
        }
      }),
    )
  })
})

describe('histories', () => {
  test('leave one state: applied at once, restarted in the middle, in slices of one operation', () => {
    fc.assert(
      fc.property(fc.array(operations, { minLength: 5, maxLength: 40 }), fc.nat(), (list, cut) => {
        const story = new OverlayStory()
        const half = 1 + (cut % (list.length - 1))
        const codes = [...story.run(...list.slice(0, half)), ...story.run(...list.slice(half))]
        const again = new OverlayStory()
        const restarted = again.run(...list.slice(0, half))
        again.restart()
        restarted.push(...again.run(...list.slice(half)))
        expect(restarted).toEqual(codes)
        expect(again.digests()).toEqual(story.digests())
        expect([...again.state.pairs].sort()).toEqual([...story.state.pairs].sort())
        const state = new MapState()
        const machine = newMachine(state)
        for (const entry of story.entries) applyEntry(machine, entry, 1)
        machine.checkpoint()
        expect(digestsOf(state)).toEqual(story.digests())
      }),
      { numRuns: 60 },
    )
  })

  test('keep a chain from the head to genesis in which every snapshot meets its obligations', () => {
    fc.assert(
      fc.property(fc.array(fitting, { minLength: 1, maxLength: 8 }), fc.array(fc.boolean()), (list, back) => {
        const story = new OverlayStory()
        const promoted: string[] = []
        for (const [i, part] of list.entries()) {
          const before = story.head
          if (story.run(deployment(`o${i}`, part, before))[0] !== 'ok') continue
          story.promote(`o${i}`)
          promoted.push(`o${i}`)
          if (back[i] !== true) continue
          expect(story.run({ type: 'RollbackOverlay', overlayId: `o${i}`, reason: null })).toEqual(['ok'])
          promoted.pop()
          expect(story.head).toBe(before)
        }
        const { snapshots, height } = story.query('sigma.chain') as {
          height: number
          snapshots: { sigma: string; parent: string | null; overlayId: string | null }[]
        }
        expect(height).toBe(promoted.length)
        expect(snapshots.map((one) => one.overlayId)).toEqual([...promoted].reverse().concat(null as never))
        expect(new Set(snapshots.map((one) => one.sigma)).size).toBe(snapshots.length)
        for (const { sigma } of snapshots) {
          const { settings } = story.query('sigma.get', { sigma }) as {
            settings: { path: string; value: string | number | boolean }[]
          }
          expect(obligationRefusal(new Map(settings.map(({ path, value }) => [path, value])))).toBeNull()
        }
      }),
      { numRuns: 60 },
    )
  })

  test('any interleaving of retries applies each operation once', () => {
    fc.assert(
      fc.property(
        fc.array(operations, { minLength: 2, maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (list, retries) => {
          const once = new OverlayStory()
          once.run(...list)
          const often = new OverlayStory()
          const request = (i: number) =>
            requestOf([list[i % list.length] as Operation], {
              session: often.session,
              sequence: 1 + (i % list.length),
              client: 'operator',
            })
          for (let i = 0; i < list.length; i++) {
            often.applyBody(encodeBody([request(i), ...retries.filter((one) => one % list.length <= i).map(request)]))
          }
          const overlays = (story: OverlayStory) => {
            const { overlays: rows } = story.query('overlay.list') as {
              overlays: { overlayId: string; phase: string }[]
            }
            return rows.map(({ overlayId, phase }) => [overlayId, phase])
          }
          expect(overlays(often)).toEqual(overlays(once))
          expect(often.head).toBe(once.head)
        },
      ),
      { numRuns: 40 },
    )
  })
})
