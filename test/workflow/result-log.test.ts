/** Shows what is kept of the results of entries: enough to prove each of them, for a window, in one chain. */
import { expect, test } from 'vitest'
import { sha256 } from '../../src/crypto/sha256.js'
import {
  decodeEntryResults,
  nextResultChain,
  RESULT_BYTES_MAX,
  RESULT_WINDOW_ENTRIES,
  ResultLog,
  resultKey,
  resultRoot,
} from '../../src/workflow/result-log.js'
import { MapState } from './harness.js'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

test('the results of an entry give its root, and the roots a chain', () => {
  const state = new MapState()
  const log = new ResultLog(state, sha256)
  let chain: Uint8Array = new Uint8Array(32)
  for (const [index, requests] of [
    [1, [bytes(1), bytes(2, 3)]],
    [2, []],
    [5, [bytes()]],
  ] as const) {
    for (const results of requests) log.note(results)
    log.finish(index)
    const kept = decodeEntryResults(state.get(resultKey(index)) as Uint8Array)
    expect(kept).toEqual({ root: resultRoot(sha256, index, requests), chainBefore: chain, requests })
    chain = nextResultChain(sha256, chain, kept.root)
    expect(log.chain).toEqual(chain)
  }
  const restored = new ResultLog(state, sha256)
  restored.restore(chain)
  expect(restored.chain).toEqual(chain)
})

test('another order, another split and another index give another root', () => {
  const roots = [
    resultRoot(sha256, 1, [bytes(1), bytes(2)]),
    resultRoot(sha256, 1, [bytes(2), bytes(1)]),
    resultRoot(sha256, 1, [bytes(1, 2)]),
    resultRoot(sha256, 2, [bytes(1), bytes(2)]),
  ]
  expect(new Set(roots.map((root) => root.join())).size).toBe(4)
})

test('large results are not kept, their root is; old ones go', () => {
  const state = new MapState()
  const log = new ResultLog(state, sha256)
  const large = new Uint8Array(RESULT_BYTES_MAX)
  log.note(large)
  log.finish(7)
  const kept = decodeEntryResults(state.get(resultKey(7)) as Uint8Array)
  expect(kept).toMatchObject({ requests: null, root: resultRoot(sha256, 7, [large]) })
  log.finish(7 + RESULT_WINDOW_ENTRIES)
  expect(state.get(resultKey(7))).toBeUndefined()
})
