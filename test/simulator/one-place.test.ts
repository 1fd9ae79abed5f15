/** When a run with liars counts as converged: at rest, or past a common digest while a liar keeps asking. */
import { describe, expect, it } from 'vitest'
import { isOnePlace, type Place } from '../../src/simulator/byzantine/one-place.js'

const COMMITS = 117

function honest(applied: number | null, digest: number | null, waiting = 0): Place {
  return { isLiar: false, applied, digest, waiting }
}

const quietLiar: Place = { isLiar: true, applied: 46, digest: 46, waiting: 0 }
const askingLiar: Place = { ...quietLiar, waiting: 30 }

describe('the honest members are at one place', () => {
  it('where all rest at the last commit, whatever a liar says', () => {
    expect(isOnePlace([honest(COMMITS, COMMITS), honest(COMMITS, COMMITS), quietLiar], COMMITS, 90)).toBe(true)
  })

  it('where all have passed one digest since the last answer, and a liar keeps them busy', () => {
    expect(isOnePlace([honest(COMMITS, 100), honest(COMMITS - 1, 100), askingLiar], COMMITS, 90)).toBe(true)
  })
})

describe('they are not', () => {
  it.each<[string, Place[]]>([
    ['where one lags and no liar is to blame', [honest(COMMITS, COMMITS), honest(90, 46), quietLiar]],
    ['where one does not run', [honest(COMMITS, COMMITS), honest(null, COMMITS), askingLiar]],
    ['where the common digest is older than the last answer', [honest(COMMITS, 50), honest(COMMITS, 50), askingLiar]],
    ['where their digests are of several indexes', [honest(COMMITS, 100), honest(COMMITS, 50), askingLiar]],
    ['where a request waits', [honest(COMMITS, COMMITS), honest(COMMITS, COMMITS, 1), askingLiar]],
    ['where all rest before the last commit', [honest(100, 100), honest(100, 100), quietLiar]],
  ])('%s', (_, members) => {
    expect(isOnePlace(members, COMMITS, 90)).toBe(false)
  })
})
