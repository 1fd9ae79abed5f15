/**
 * SELECT keeps everything that was answered, whatever liars did before and whichever quorum of histories
 * it is given; and the model that shows it has teeth: each rule left out loses answered entries.
 */
import { describe, expect, it } from 'vitest'
import type { Position } from '../../../src/consensus/hybrid/positions.js'
import { type HistoryView, select } from '../../../src/consensus/hybrid/select.js'
import { type LogIndex, nodeId, type Term } from '../../../src/consensus/types.js'
import { Model, type Variant } from './select-model.js'

/** A longer campaign: `SELECT_RUNS=200000 npx vitest run test/consensus/hybrid/select.test.ts`. */
const RUNS = Number(process.env.SELECT_RUNS ?? 1500)
const TIMEOUT = { timeout: 3_600_000 }

const at = (term: number, index: number, mark = index): Position => ({
  term: term as Term,
  index: index as LogIndex,
  hash: new Uint8Array(32).fill(mark),
})

function view(signer: string, tip: Position, marks: number[], certified = at(0, 0, 0)): HistoryView {
  const term = marks.length === 0 ? null : { leader: nodeId('n1'), tip: at(0, 0, 0) }
  const hashes = marks.map((mark) => new Uint8Array(32).fill(mark))
  return { signer: nodeId(signer), certified, tip, hashes, kinds: marks.map(() => 'data'), term }
}

const resultOf = (...views: HistoryView[]): Position | string => {
  const found = select(views)
  return found.kind === 'result' ? found.result : `without ${found.leader}`
}

describe('SELECT', () => {
  it('takes the longest of chains that continue each other', () => {
    const views = [view('n1', at(1, 3), [1, 2, 3]), view('n2', at(1, 1), [1]), view('n3', at(0, 0, 0), [])]
    expect(resultOf(...views)).toEqual(at(1, 3))
  })

  it('takes the highest term, be its chain shorter', () => {
    const second = { ...view('n2', at(2, 2, 9), [1, 9]), term: { leader: nodeId('n2'), tip: at(1, 1) } }
    expect(resultOf(view('n1', at(1, 3), [1, 2, 3]), second, view('n3', at(1, 1), [1]))).toEqual(at(2, 2, 9))
  })

  it('what is certified is decided, whatever else is longer in that term', () => {
    const behind = view('n2', at(1, 2), [], at(1, 2))
    expect(resultOf(view('n1', at(1, 4, 40), [1, 20, 30, 40]), behind, view('n3', at(1, 1), [1]))).toEqual(at(1, 2))
  })

  it('a visible fork excludes its leader; without it, what more than half hold is followed', () => {
    const [left, right] = [view('n2', at(1, 3, 30), [1, 2, 30]), view('n3', at(1, 3, 31), [1, 2, 31])]
    expect(resultOf(view('n1', at(1, 1), [1]), left, right)).toBe('without n1')
    expect(resultOf(left, right, view('n4', at(1, 2), [1, 2]))).toEqual(at(1, 2))
    expect(resultOf(left, right, view('n4', at(1, 3, 30), [1, 2, 30]))).toEqual(at(1, 3, 30))
  })

  it('a configuration operation that is not certified is cut, with all above it', () => {
    const change: HistoryView = { ...view('n1', at(1, 3), [1, 2, 3]), kinds: ['data', 'membership', 'data'] }
    expect(resultOf(change, view('n2', at(1, 1), [1]), view('n3', at(1, 1), [1]))).toEqual(at(1, 1))
    const first: HistoryView = { ...view('n1', at(1, 1), [1]), kinds: ['membership'] }
    expect(resultOf(first, view('n2', at(0, 0, 0), []), view('n3', at(0, 0, 0), []))).toEqual(at(0, 0, 0))
  })

  it('a certified configuration operation is the last of its epoch', () => {
    const change: HistoryView = { ...view('n1', at(1, 3), [1, 2, 3]), kinds: ['data', 'membership', 'data'] }
    const certified: HistoryView = { ...view('n2', at(1, 2), []), certified: at(1, 2) }
    expect(resultOf(change, certified, view('n3', at(1, 1), [1]))).toEqual(at(1, 2))
  })

  it('without any entry the epoch ends where it began', () => {
    expect(resultOf(...['n1', 'n2', 'n3'].map((id) => view(id, at(0, 0, 0), [])))).toEqual(at(0, 0, 0))
  })
})

function violations(count: number, runs: number, variant: Variant): { found: number; answered: number; first: string } {
  let found = 0
  let answered = 0
  let first = ''
  for (let seed = 1; seed <= runs; seed++) {
    const model = new Model(seed * 7919 + count, count, variant)
    const problem = model.run()
    answered += model.answered
    if (problem === null) continue
    found++
    if (first === '') first = `seed ${seed}: ${problem}`
  }
  return { found, answered, first }
}

describe('with liars from the start', () => {
  for (const count of [4, 5, 6, 7, 8, 9, 10]) {
    it(`everything answered is within the result (n = ${count})`, TIMEOUT, () => {
      const { found, answered, first } = violations(count, RUNS, {})
      expect(first).toBe('')
      expect(found).toBe(0)
      expect(answered).toBeGreaterThan(RUNS / 10)
    })
  }
})

describe('each rule left out loses what was answered', () => {
  const controls: readonly (readonly [string, number, Variant])[] = [
    ['one phase at n = 6', 6, { onePhase: true }],
    ['one phase at n = 7', 7, { onePhase: true }],
    ["no extension of the voter's chain", 4, { noExtension: true }],
    ['no binding of a term to its tip', 4, { noBinding: true }],
    ['acknowledgements after the abort', 4, { ackAfterAbort: true }],
    ['no rule for forks', 4, { noForkRule: true }],
  ]
  for (const [name, count, variant] of controls) {
    it(name, TIMEOUT, () => {
      expect(violations(count, Math.max(RUNS, 4000), variant).found).toBeGreaterThan(0)
    })
  }
})
