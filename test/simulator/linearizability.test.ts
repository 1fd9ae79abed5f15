/**
 * Shows that the linearizability checker is right: it agrees with a search through every order on small
 * random histories, accepts known good and rejects known bad ones, names a window that is bad by itself,
 * and says so when it gives up. And that the reader of histories is strict.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatHistory, type HistoryOperation, parseHistory } from '../../src/simulator/history.js'
import { checkLinearizability } from '../../src/simulator/linearizability.js'

type Outcome = HistoryOperation['outcome']

function operation(
  client: string,
  [call, end]: readonly [number, number | null],
  fields: Partial<HistoryOperation> & Pick<HistoryOperation, 'op'>,
): HistoryOperation {
  const outcome: Outcome = end === null ? 'unknown' : 'ok'
  const rest = { key: 'k', value: null, expected: null, outcome, result: null, ...fields }
  return { client, call: BigInt(call), return: end === null ? null : BigInt(end), ...rest }
}
const put = (client: string, times: readonly [number, number | null], value: string) =>
  operation(client, times, { op: 'put', value })
const get = (client: string, times: readonly [number, number | null], result: string | null) =>
  operation(client, times, { op: 'get', result })
const cas = (
  client: string,
  times: readonly [number, number | null],
  expected: string | null,
  value: string,
  result: boolean | null,
) => operation(client, times, { op: 'cas', expected, value, result })
const remove = (client: string, times: readonly [number, number | null]) => operation(client, times, { op: 'delete' })

/** The value after an operation; undefined where it cannot come next. */
function step(
  state: string | null,
  { op, value, expected, result, outcome }: HistoryOperation,
): string | null | undefined {
  if (op === 'put') return value
  if (op === 'delete') return null
  if (op === 'get') return outcome === 'unknown' || result === state ? state : undefined
  const matches = state === expected
  if (outcome !== 'unknown' && matches !== result) return undefined
  return matches ? value : state
}

/** By trying every order, one key at a time: slow, and too simple to be wrong. */
function bruteForce(history: readonly HistoryOperation[]): boolean {
  const place = (state: string | null, left: readonly HistoryOperation[]): boolean => {
    if (left.every(({ outcome }) => outcome === 'unknown')) return true
    return left.some((next) => {
      const isLate = left.some((other) => other !== next && other.return !== null && other.return < next.call)
      if (isLate) return false
      const after = step(state, next)
      return (
        after !== undefined &&
        place(
          after,
          left.filter((other) => other !== next),
        )
      )
    })
  }
  const real = history.filter(({ outcome }) => outcome !== 'failed')
  return [...new Set(real.map(({ key }) => key))].every((key) =>
    place(
      null,
      real.filter((one) => one.key === key),
    ),
  )
}

const value = fc.constantFrom('a', 'b')
const shape = fc.record({
  op: fc.constantFrom('put' as const, 'get' as const, 'delete' as const, 'cas' as const),
  key: fc.constantFrom('k', 'k', 'k', 'm'),
  value,
  expected: fc.option(value),
  read: fc.option(value),
  matched: fc.boolean(),
  start: fc.nat(12),
  length: fc.nat(6),
  outcome: fc.constantFrom<Outcome>('ok', 'ok', 'ok', 'ok', 'unknown', 'failed'),
})
const histories = fc.array(shape, { maxLength: 7 }).map((shapes) =>
  shapes.map(({ op, key, value: written, expected, read, matched, start, length, outcome }, at): HistoryOperation => {
    const isOk = outcome === 'ok'
    return {
      client: `c${at}`,
      op,
      key,
      value: op === 'put' || op === 'cas' ? written : null,
      expected: op === 'cas' ? expected : null,
      call: BigInt(start),
      return: outcome === 'unknown' ? null : BigInt(start + length),
      outcome,
      result: !isOk ? null : op === 'cas' ? matched : op === 'get' ? read : null,
    }
  }),
)

describe('the linearizability checker', () => {
  it('agrees with trying every order', () => {
    const verdicts = { ok: 0, violation: 0, undecided: 0 }
    fc.assert(
      fc.property(histories, (history) => {
        const { verdict } = checkLinearizability(history)
        verdicts[verdict]++
        expect(verdict).toBe(bruteForce(history) ? 'ok' : 'violation')
      }),
      { numRuns: 4000, seed: 11 },
    )
    expect(verdicts.ok).toBeGreaterThan(200)
    expect(verdicts.violation).toBeGreaterThan(200)
  })

  it('names a window that is a violation by itself, and only operations of one key', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const judged = checkLinearizability(history)
        if (judged.verdict !== 'violation') return
        expect(judged.window.length).toBeGreaterThan(0)
        expect(new Set(judged.window.map(({ key }) => key))).toEqual(new Set([judged.key]))
        expect(judged.window.every((one) => history.includes(one))).toBe(true)
      }),
      { numRuns: 1000, seed: 12 },
    )
  })

  it.each([
    ['a write seen while it is under way', [put('a', [0, 10], '1'), get('b', [2, 4], '1'), get('b', [5, 6], '1')]],
    ['concurrent writes in either order', [put('a', [0, 10], '1'), put('b', [0, 10], '2'), get('c', [11, 12], '1')]],
    [
      'an unknown write that shows up late',
      [put('a', [0, null], '1'), get('b', [5, 6], null), get('b', [90, 91], '1')],
    ],
    [
      'an unknown write that never happens',
      [put('a', [0, null], '1'), get('b', [5, 6], null), get('b', [90, 91], null)],
    ],
    [
      'an unknown swap in the middle',
      [
        put('a', [0, 1], '1'),
        cas('b', [2, null], '1', '2', null),
        get('a', [3, 4], '1'),
        cas('a', [5, 6], '2', '3', true),
      ],
    ],
    [
      'a chain of swaps',
      [
        cas('a', [0, 1], null, '1', true),
        cas('b', [2, 3], null, '2', false),
        cas('b', [4, 5], '1', '2', true),
        get('a', [6, 7], '2'),
      ],
    ],
    ['operations that touch are concurrent', [put('a', [0, 5], '1'), get('b', [5, 6], null)]],
  ])('accepts %s', (_, history) => {
    expect(checkLinearizability(history).verdict).toBe('ok')
  })

  it.each([
    ['a stale read', [put('a', [0, 1], '1'), put('a', [2, 3], '2'), get('b', [4, 5], '1')]],
    ['a lost write', [put('a', [0, 1], '1'), get('b', [2, 3], null)]],
    [
      'reads that go back',
      [put('a', [0, 1], '1'), put('b', [2, 20], '2'), get('c', [3, 4], '2'), get('d', [5, 6], '1')],
    ],
    ['a value that nobody wrote', [put('a', [0, 1], '1'), get('b', [2, 3], '9')]],
    [
      'two swaps from the same value',
      [put('a', [0, 1], '1'), cas('b', [2, 9], '1', '2', true), cas('c', [2, 9], '1', '3', true)],
    ],
    [
      'a failed write that took effect',
      [{ ...put('a', [0, 1], '1'), outcome: 'failed' as const }, get('b', [2, 3], '1')],
    ],
    [
      'a write that happened twice',
      [put('a', [0, 1], '1'), put('b', [2, 3], '2'), get('c', [4, 5], '2'), get('c', [6, 7], '1')],
    ],
    ['a deleted value that comes back', [put('a', [0, 1], '1'), remove('a', [2, 3]), get('b', [4, 5], '1')]],
    ['a swap refused although it matched', [put('a', [0, 1], '1'), cas('b', [2, 3], '1', '2', false)]],
  ])('rejects %s', (_, history) => {
    expect(checkLinearizability(history).verdict).toBe('violation')
  })

  it('finds a bad read in a long history, and cuts everything else away', () => {
    const history: HistoryOperation[] = []
    for (let at = 0; at < 2000; at++) {
      history.push(put('w', [at * 10, at * 10 + 4], `${at}`), get('r', [at * 10 + 5, at * 10 + 8], `${at}`))
    }
    expect(checkLinearizability(history).verdict).toBe('ok')
    history[2 * 1500 + 1] = get('r', [15_005, 15_008], '1400')
    const judged = checkLinearizability(history)
    expect(judged).toMatchObject({ verdict: 'violation', key: 'k' })
    if (judged.verdict === 'violation') expect(judged.window.map(({ op }) => op)).toEqual(['put', 'get'])
  })

  it('is undecided, not ok, when the search is cut short', () => {
    const writes = Array.from({ length: 12 }, (_, at) => put(`w${at}`, [0, 100], `${at}`))
    const history = [...writes, get('r', [101, 102], '0'), get('r', [103, 104], '1')]
    expect(checkLinearizability(history, { statesMax: 50 })).toEqual({ verdict: 'undecided', keys: ['k'] })
    expect(checkLinearizability(history).verdict).toBe('violation')
  })
})

describe('a history as NDJSON', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(histories, (history) => {
        expect(parseHistory(formatHistory(history))).toEqual(history)
      }),
    )
  })

  it('keeps nanoseconds beyond the integers of a double apart', () => {
    const line = (call: string) =>
      `{"client":"c${call}","op":"put","key":"k","value":"\\"call\\":1","expected":null,"call":${call},"return":9007199254740999,"outcome":"ok","result":null}`
    const [first, second] = parseHistory(`${line('9007199254740992')}\n\n${line('9007199254740993')}\n`)
    expect((second?.call ?? 0n) - (first?.call ?? 0n)).toBe(1n)
    expect(first?.value).toBe('"call":1')
  })

  const good = {
    client: 'c',
    op: 'get',
    key: 'k',
    value: null,
    expected: null,
    call: 1,
    return: 2,
    outcome: 'ok',
    result: 'v',
  }
  it.each([
    ['no JSON', 'nonsense'],
    ['no object', '[]'],
    ['an unknown operation', JSON.stringify({ ...good, op: 'swap' })],
    ['a missing field', JSON.stringify({ ...good, expected: undefined })],
    ['a return of an unknown outcome', JSON.stringify({ ...good, outcome: 'unknown' })],
    ['no return of a known one', JSON.stringify({ ...good, return: null })],
    ['a return before the call', JSON.stringify({ ...good, return: 0 })],
    ['a time that is no integer', JSON.stringify({ ...good, call: 0.5 })],
    ['a put without a value', JSON.stringify({ ...good, op: 'put' })],
    ['a cas whose result is a value', JSON.stringify({ ...good, op: 'cas', value: 'v' })],
  ])('is refused with %s', (_, line) => {
    expect(() => parseHistory(`${JSON.stringify(good)}\n${line}`)).toThrow(/line 2 of the history/)
  })

  it('is refused when one client has two operations open', () => {
    const overlap = [get('c', [0, 10], null), get('c', [5, 15], null)]
    expect(() => parseHistory(formatHistory(overlap))).toThrow(/client c has two operations open/)
    const afterUnknown = [put('c', [0, null], '1'), get('c', [5, 15], null)]
    expect(() => parseHistory(formatHistory(afterUnknown))).toThrow(/client c has two operations open/)
  })
})
