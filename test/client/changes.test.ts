/**
 * Shows the rules of the stream of changes that a real cluster shows only by luck: the second copy of an operation that
 * was sent again is left out, a refusal that passes is waited out, one that does not ends the stream, and so does
 * patience.
 */
import { describe, expect, it } from 'vitest'
import { KnhkError } from '../../src/base/error.js'
import type { Client, QueryAnswer } from '../../src/client/api.js'
import { type Change, type ChangesOptions, watchChanges } from '../../src/client/changes.js'

/** A log in which each entry holds one operation; refusals come first, one for each question. */
class Log {
  readonly questions: Readonly<Record<string, unknown>>[] = []
  readonly #changes: readonly Change[]
  readonly #refusals: KnhkError[]

  constructor(changes: readonly Change[], refusals: readonly KnhkError[] = []) {
    this.#changes = changes
    this.#refusals = [...refusals]
  }

  get client(): Client {
    return {
      query: (_name: string, args: Readonly<Record<string, unknown>>) => this.#answer(args),
    } as unknown as Client
  }

  async #answer(args: Readonly<Record<string, unknown>>): Promise<QueryAnswer> {
    this.questions.push(args)
    const refusal = this.#refusals.shift()
    if (refusal !== undefined) throw refusal
    const from = (args.index as number | null) ?? 1
    const found = this.#changes.filter(
      ({ index, position }) => index > from || (index === from && position >= (args.position as number)),
    )
    const appliedIndex = this.#changes.length
    const value = { changes: found, next: { index: appliedIndex + 1, position: 0 }, appliedIndex }
    return { value, index: appliedIndex } as unknown as QueryAnswer
  }
}

function change(index: number, session: string | null, sequence: number | null): Change {
  return { index, position: 0, timestampMs: 0, client: '', session, sequence, type: 'Custom', operation: null }
}

async function indexes(log: Log, options: ChangesOptions = {}): Promise<number[]> {
  const found: number[] = []
  for await (const { index } of watchChanges(log.client, { once: true, pollMs: 1, ...options })) found.push(index)
  return found
}

describe('the stream of changes', () => {
  it('leaves out the second copy of an operation', async () => {
    const log = new Log([change(1, '9:0', 0), change(2, '9:0', 1), change(3, '9:0', 0), change(4, '8:0', 0)])
    expect(await indexes(log)).toEqual([1, 2, 4])
    expect(await indexes(new Log([change(1, null, null), change(2, null, null)]))).toEqual([1, 2])
  })

  it('begins behind the change that it is given', async () => {
    const log = new Log([change(1, '9:0', 0), change(2, '9:0', 1), change(3, '9:0', 2)])
    expect(await indexes(log, { after: { index: 1, position: 0 } })).toEqual([2, 3])
    expect(log.questions[0]).toMatchObject({ index: 1, position: 1 })
    expect(await indexes(log, { from: 3 })).toEqual([3])
  })

  it('waits out what passes, and nothing else', async () => {
    const passes = new KnhkError('NoLeader', 'none')
    expect(await indexes(new Log([change(1, '9:0', 0)], [passes, passes]))).toEqual([1])
    const gone = new Log([change(1, '9:0', 0)], [new KnhkError('ChangesGone', 'compacted')])
    await expect(indexes(gone)).rejects.toMatchObject({ code: 'ChangesGone' })
    const impatient = new Log([], [passes, passes])
    await expect(indexes(impatient, { patienceMs: -1 })).rejects.toMatchObject({ code: 'NoLeader' })
  })

  it('ends with the signal', async () => {
    const controller = new AbortController()
    const log = new Log([change(1, '9:0', 0)])
    const following = indexes(log, { once: false, signal: controller.signal })
    controller.abort(new KnhkError('Aborted', 'enough'))
    await expect(following).rejects.toMatchObject({ code: 'Aborted' })
  })
})
