/**
 * Shows what people and machines get to see: one result in five forms, errors without internals, and
 * no control characters of stored data.
 */
import { Parser } from '@oclif/core'
import * as Flags from '@oclif/core/flags'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { KnhkError } from '../../src/base/error.js'
import { ERROR_CODES, isErrorCode } from '../../src/base/error-codes.js'
import { painter, wantsColour } from '../../src/terminal/colours.js'
import { errorJson, errorText, reportError } from '../../src/terminal/error-report.js'
import { durationFlag } from '../../src/terminal/flags.js'
import { type Output, printable, render } from '../../src/terminal/printer.js'
import { complete } from '../../src/terminal/repl/completer.js'
import { unknownCommand } from '../../src/terminal/usage-errors.js'

const plain = painter(false)

describe('printer', () => {
  const rows = [
    { id: 'a', size: 1 },
    { id: 'b', size: null },
  ]
  const output: Output = {
    value: { rows },
    items: rows,
    ids: ['a', 'b'],
    text: ({ table }) =>
      table(
        ['id', 'size'],
        rows.map((row) => [row.id, row.size]),
      ),
  }

  it('shows the same data in every form', async () => {
    expect(JSON.parse(await render(output, 'json', plain))).toEqual({ rows })
    expect(parse(await render(output, 'yaml', plain))).toEqual({ rows })
    const lines = (await render(output, 'ndjson', plain)).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual(rows)
    expect(await render(output, 'id', plain)).toBe('a\nb\n')
    const table = await render(output, 'table', plain)
    expect(table).toContain('│ a  │ 1    │')
    expect(table).toContain('│ b  │ -    │')
    expect(table).not.toContain('\u001b')
  })

  it('keeps control characters of data away from the terminal', () => {
    expect(printable('a\u001b[2Jb\u0007\u009b\n\tc')).toBe('a\\x1b[2Jb\\x07\\x9b\n\tc')
  })
})

describe('colours', () => {
  const wants = (environment: Record<string, string>, isTTY = true, forbidden = false) =>
    wantsColour({ isTTY, environment, forbidden })

  it('need a terminal and nobody who forbids them', () => {
    expect(wants({})).toBe(true)
    expect(wants({ NO_COLOR: '' })).toBe(true)
    expect([wants({ NO_COLOR: '1' }), wants({ TERM: 'dumb' }), wants({}, false), wants({}, true, true)]).toEqual([
      false,
      false,
      false,
      false,
    ])
  })
})

describe('errors', () => {
  it('carry the contract in JSON and its exit code', () => {
    const { error, exitCode } = reportError(new KnhkError('CaseExists', 'there', { details: { index: 3 } }))
    expect(exitCode).toBe(9)
    expect(errorJson(error)).toEqual({
      error: {
        code: 'CaseExists',
        message: 'there',
        details: { index: 3 },
        hint: ERROR_CODES.CaseExists.hint,
        retryable: false,
      },
    })
  })

  it('tell a signal by its exit code', () => {
    const aborted = new KnhkError('Aborted', 'interrupted')
    expect([reportError(aborted, [], 'SIGINT').exitCode, reportError(aborted, [], 'SIGTERM').exitCode]).toEqual([
      130, 143,
    ])
  })

  it('call anything unexpected a bug, and show its stack only when asked', () => {
    const report = reportError(new TypeError('x is not a function'))
    expect(report.exitCode).toBe(70)
    expect(errorText(report, { verbose: false, paint: plain })).not.toMatch(/\n\s+at /)
    expect(errorText(report, { verbose: true, paint: plain })).toMatch(/\n\s+at /)
  })

  const parse = (argv: string[]) =>
    Parser.parse(argv, {
      flags: { wait: durationFlag('x', 1), colour: Flags.string({ options: ['red'] }), secret: Flags.string() },
      args: {},
      strict: true,
    })

  it('put the parser in our words, without values of flags', async () => {
    const fails = async (argv: string[]) => {
      const thrown: unknown = await parse(argv).then(
        () => null,
        (error: unknown) => error,
      )
      return reportError(thrown, ['wait', 'colour', 'secret'])
    }
    const cases: [string[], RegExp, RegExp][] = [
      [['--wiat', '1', '--secret', 'hunter2'], /^unknown flag: --wiat$/, /Did you mean --wait/],
      [['more', '--secret', 'hunter2'], /^unexpected: "more"$/, /--help/],
      [['--wait', 'x', '--secret', 'hunter2'], /^--wait: "x" is not a duration/, /./],
      [['--colour', 'blue', '--secret', 'hunter2'], /to be one of: red/, /./],
      [['--wait'], /expects a value/, /./],
    ]
    for (const [argv, message, hint] of cases) {
      const { error, exitCode, stack } = await fails(argv)
      expect(exitCode).toBe(2)
      expect(stack).toBeNull()
      expect(error.message).toMatch(message)
      expect(error.hint).toMatch(hint)
      expect(JSON.stringify(errorJson(error))).not.toContain('hunter2')
    }
  })

  it('suggest a command', () => {
    const commands = ['status', 'kv get', 'kv put']
    expect(unknownCommand(['sttaus'], commands).hint).toContain('knhk status')
    expect(unknownCommand(['kv', 'gte'], commands).hint).toContain('knhk kv get')
    expect(unknownCommand(['status', 'x'], commands).message).toContain('"x"')
  })

  it('have a table whose codes can all end a command', () => {
    for (const [code, { exit }] of Object.entries(ERROR_CODES)) {
      expect(isErrorCode(code)).toBe(true)
      expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 70, 130]).toContain(exit)
    }
  })
})

describe('completion', () => {
  const command = (id: string, flags: object = {}) => ({
    id,
    hidden: false,
    flags,
    aliases: [],
    args: {},
    hiddenAliases: [],
  })
  const known = {
    commands: [
      command('kv:get', { read: { name: 'read', type: 'option' }, node: { name: 'node', type: 'option' } }),
      command('kv:put'),
      command('status'),
      command('overlay:promote'),
      command('keys:rotate', { client: { name: 'client', type: 'option' } }),
      command('cluster:members:remove', { yes: { name: 'yes', type: 'boolean' } }),
    ] as never[],
    dotCommands: ['.exit', '.use'],
    values: { node: ['n1', 'n2'], case: ['7d0c'], context: ['prod'], policy: [], overlay: ['o1'], client: ['ben'] },
  }

  it('offers verbs, flags, nodes and contexts', () => {
    expect(complete('kv', known)[0]).toEqual(['kv '])
    expect(complete('kv ', known)[0]).toEqual(['get ', 'put '])
    expect(complete('kv get --r', known)[0]).toEqual(['--read '])
    expect(complete('kv get --node ', known)[0]).toEqual(['n1 ', 'n2 '])
    expect(complete('cluster members r', known)[0]).toEqual(['remove '])
    expect(complete('cluster members remove ', known)[0]).toEqual(['n1 ', 'n2 '])
    expect(complete('cluster members remove n1 --', known)[0]).toEqual(['--yes '])
    expect(complete('keys rotate --client ', known)[0]).toEqual(['ben '])
    expect(complete('overlay promote ', known)[0]).toEqual(['o1 '])
    expect(complete('.use p', known)[0]).toEqual(['prod '])
    expect(complete('.e', known)).toEqual([['.exit '], '.e'])
  })
})
