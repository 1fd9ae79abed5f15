/**
 * Shows how the small parts of the terminal read and write words: durations, suggestions, REPL lines,
 * statements over several lines, and lines of a byte stream.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasCode } from '../../src/base/error.js'
import { byteLines } from '../../src/terminal/byte-lines.js'
import { DURATION_MS_MAX, formatDuration, parseDuration } from '../../src/terminal/durations.js'
import { splitLine } from '../../src/terminal/repl/split-line.js'
import { STATEMENT_LINES_MAX, StatementReader } from '../../src/terminal/repl/statements.js'
import { editDistance, nearest } from '../../src/terminal/suggest.js'

describe('durations', () => {
  it('are seconds without a unit', () => {
    const read = ['10', '500ms', '2m', '1h', '2.5s', '1d'].map(parseDuration)
    expect(read).toEqual([10_000, 500, 120_000, 3_600_000, 2_500, 86_400_000])
  })

  it('read back what was formatted', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: DURATION_MS_MAX }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms)
      }),
    )
  })

  it.each(['', '-1', '0', '1w', 'x', '1e9', '10 000', '25d', '0.0001ms', '١s'])('refuse %j', (text) => {
    expect(() => parseDuration(text)).toThrowError(expect.toSatisfy((error) => hasCode(error, 'InvalidArgument')))
  })
})

describe('suggestions', () => {
  it('find a slip of the fingers and nothing far away', () => {
    expect(nearest('--dri', ['--dir', '--json'])).toBe('--dir')
    expect(nearest('stauts', ['status', 'start'])).toBe('status')
    expect(nearest('nolaeder', ['NoLeader'])).toBe('NoLeader')
    expect(nearest('elephant', ['status', 'start'])).toBeNull()
  })

  it('count a transposition once, and are symmetric', () => {
    expect(editDistance('abcd', 'abdc')).toBe(1)
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, b) === 0).toBe(a === b)
      }),
    )
  })
})

describe('REPL lines', () => {
  const words = (text: string) => {
    const split = splitLine(text)
    return split.complete ? split.words : split.open
  }

  it('split at blanks, with quotes, escapes and comments', () => {
    expect(words('kv put a  1')).toEqual(['kv', 'put', 'a', '1'])
    expect(words(`kv put 'a b' "c \\"d\\""`)).toEqual(['kv', 'put', 'a b', 'c "d"'])
    expect(words('kv put a\\ b ""')).toEqual(['kv', 'put', 'a b', ''])
    expect(words('status # the cluster')).toEqual(['status'])
    expect(words('kv put a#b 1')).toEqual(['kv', 'put', 'a#b', '1'])
    expect(words('')).toEqual([])
  })

  it('take JSON without quotes, spaces and braces in strings included', () => {
    expect(words('x --data {"a": "}", "b": [1, 2]} y')).toEqual(['x', '--data', '{"a": "}", "b": [1, 2]}', 'y'])
    expect(words('x --data={"a": 1}')).toEqual(['x', '--data={"a": 1}'])
    expect(words('kv put a{b 1')).toEqual(['kv', 'put', 'a{b', '1'])
  })

  it('say what is still open', () => {
    expect(words('a "b')).toBe('quote')
    expect(words("a 'b")).toBe('quote')
    expect(words('a {"b": 1')).toBe('brace')
    expect(words('a \\')).toBe('backslash')
  })

  it('give back any words that were quoted', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ maxLength: 10 }).filter((text) => !text.includes("'")),
          { maxLength: 5 },
        ),
        (list) => {
          expect(words(list.map((word) => `'${word}'`).join(' '))).toEqual(list)
        },
      ),
    )
  })

  it('never fail on any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        splitLine(text)
      }),
    )
  })
})

describe('statements', () => {
  it('go on over lines, and know their first one', () => {
    const reader = new StatementReader()
    expect(reader.add('status')).toMatchObject({ kind: 'statement', statement: { line: 1 } })
    expect(reader.add('kv put a {"b":').kind).toBe('more')
    expect(reader.add('1}')).toMatchObject({
      kind: 'statement',
      statement: { line: 2, words: ['kv', 'put', 'a', '{"b":\n1}'] },
    })
    expect(reader.add('kv get \\').kind).toBe('more')
    expect(reader.add('a')).toMatchObject({ kind: 'statement', statement: { line: 4, words: ['kv', 'get', 'a'] } })
    expect(reader.end()).toBeNull()
  })

  it('are broken when the input ends inside one, or it never ends', () => {
    const reader = new StatementReader()
    reader.add("a 'b")
    expect(reader.end()).toMatchObject({ kind: 'broken', line: 1 })
    const results = Array.from({ length: STATEMENT_LINES_MAX }, () => reader.add('{').kind)
    expect(results.at(-1)).toBe('broken')
    expect(reader.isOpen).toBe(false)
  })
})

describe('lines of bytes', () => {
  async function read(chunks: readonly string[], max = 10) {
    async function* source() {
      for (const chunk of chunks) yield Buffer.from(chunk)
    }
    const found: [number, string | null][] = []
    for await (const { number, bytes } of byteLines(source(), max)) {
      found.push([number, bytes === null ? null : Buffer.from(bytes).toString()])
    }
    return found
  }

  it('come out whole however they arrive', async () => {
    expect(await read(['a\nb', 'c\r\n', '\n', 'd'])).toEqual([
      [1, 'a'],
      [2, 'bc'],
      [3, ''],
      [4, 'd'],
    ])
  })

  it('are refused over the limit, and the next one is read again', async () => {
    expect(await read(['0123456', '7890abc', 'def\nok\n'])).toEqual([
      [1, null],
      [2, 'ok'],
    ])
  })
})
