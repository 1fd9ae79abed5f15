/**
 * The threat model, row by row: levels by count, windows, causes that never overwrite each other, the
 * maximum over all of them, and what f + 1 members have to see before the cluster acts on it. And the
 * rules of the way back.
 */
import { describe, expect, it } from 'vitest'
import { residencyAfter, revertRefusal } from '../../../src/consensus/hybrid/revert-rules.js'
import {
  agreedLevel,
  levelOfSignatureFailures,
  THREAT_WINDOW_MS,
  ThreatModel,
} from '../../../src/consensus/hybrid/threat-model.js'
import { nodeId } from '../../../src/consensus/types.js'

const [n1, n2] = [nodeId('n1'), nodeId('n2')]

describe('threat model', () => {
  it('climbs with the signature failures exactly as in the table', () => {
    const levels = Array.from({ length: 13 }, (_, count) => levelOfSignatureFailures(count))
    const [low, medium, high] = ['low', 'medium', 'high'] as const
    const expected = ['none', low, low, medium, medium, medium, high, high, high, high, high, 'critical', 'critical']
    expect(levels).toEqual(expected)
  })

  it('counts per member: two members with five failures each are not one with ten', () => {
    const model = new ThreatModel()
    for (let i = 0; i < 5; i++) for (const id of [n1, n2]) model.noteBadSignature(id, i)
    expect(model.report(5).level).toBe('medium')
    for (let i = 0; i < 1; i++) model.noteBadSignature(n1, 5)
    expect(model.report(6)).toEqual({
      level: 'high',
      causes: ['badSignatures'],
      nodes: [
        { id: n1, level: 'high', causes: ['badSignatures'] },
        { id: n2, level: 'medium', causes: ['badSignatures'] },
      ],
    })
  })

  it('the window slides: what is older counts no more, to the millisecond', () => {
    const model = new ThreatModel()
    for (const atMs of [0, 10, 20]) model.noteBadSignature(n1, atMs)
    expect(model.report(THREAT_WINDOW_MS - 1).level).toBe('medium')
    expect(model.nextChangeMs(30)).toBe(THREAT_WINDOW_MS)
    expect(model.report(THREAT_WINDOW_MS).level).toBe('low')
    expect(model.report(THREAT_WINDOW_MS + 20).level).toBe('none')
  })

  it('tampering and equivocation are critical, and a weaker event later takes nothing back', () => {
    for (const grave of ['tampering', 'equivocation'] as const) {
      const model = new ThreatModel()
      if (grave === 'tampering') model.noteTampering(n1, 0)
      else model.noteEvidence(n1)
      model.noteBadSignature(n1, 1)
      model.noteTiming(n1, 2)
      const { level, causes } = model.of(n1, 3)
      expect(level).toBe('critical')
      expect(new Set(causes)).toEqual(new Set(['badSignatures', grave, 'timing']))
    }
  })

  it('evidence stays until it is cleared; tampering leaves the window', () => {
    const model = new ThreatModel()
    model.noteEvidence(n1)
    model.noteTampering(n2, 0)
    expect(model.report(10 * THREAT_WINDOW_MS).nodes.map(({ id }) => id)).toEqual([n1])
    model.clear(n1)
    expect(model.report(10 * THREAT_WINDOW_MS).level).toBe('none')
  })

  it('timing never says more than medium', () => {
    const model = new ThreatModel()
    for (let i = 0; i < 1000; i++) model.noteTiming(n1, i)
    expect(model.report(1000).level).toBe('medium')
  })

  it('the cluster acts on what f + 1 members see, or on evidence at once', () => {
    expect(agreedLevel(['critical', 'none', 'none', 'none'], 1, false)).toBe('none')
    expect(agreedLevel(['high', 'low', 'none', 'none'], 1, false)).toBe('low')
    expect(agreedLevel(['high', 'critical', 'none', 'none'], 1, false)).toBe('high')
    expect(agreedLevel(['high', 'critical', 'medium', 'none', 'none', 'none', 'none'], 2, false)).toBe('medium')
    expect(agreedLevel(['none'], 1, true)).toBe('critical')
  })
})

describe('the way back', () => {
  const clean = {
    quorum: 3,
    clears: ['n1', 'n2', 'n3'].map(nodeId),
    level: 'low' as const,
    culprits: [],
    sinceMs: 1000,
    nowMs: 31_000,
    residencyMs: 30_000,
  }

  it('is open when everything holds, and each condition alone closes it', () => {
    expect(revertRefusal(clean)).toBeNull()
    expect(revertRefusal({ ...clean, level: 'medium' })?.reason).toContain('medium')
    expect(revertRefusal({ ...clean, level: 'high' })?.reason).toContain('high')
    expect(revertRefusal({ ...clean, culprits: [n2] })?.reason).toContain('n2')
    expect(revertRefusal({ ...clean, clears: ['n1', 'n2', 'n2'].map(nodeId) })?.reason).toContain('2 of the 3')
    expect(revertRefusal({ ...clean, nowMs: 30_999 })).toMatchObject({ retryAfterMs: 1 })
  })

  it('every flap doubles the residency, up to a bound', () => {
    expect([0, 1, 2].map((flaps) => residencyAfter(flaps))).toEqual([30_000, 60_000, 120_000])
    expect(residencyAfter(40)).toBe(3_600_000)
  })
})
