/** Shows that a fence changes nothing but the place of the log, that every known client may have one, and no other. */
import { expect, test } from 'vitest'
import { decodeOperation, encodeOperation } from '../../src/workflow/operation-codec.js'
import { codeOf, requestOf, Story } from './harness.js'

const FENCE = { type: 'Fence' } as const

test('a fence has an encoding of one byte, and no other', () => {
  expect(encodeOperation(FENCE)).toEqual(Uint8Array.of(17))
  expect(decodeOperation(Uint8Array.of(17))).toEqual(FENCE)
  expect(() => decodeOperation(Uint8Array.of(17, 0))).toThrow(expect.objectContaining({ code: 'ProtocolViolation' }))
})

test('readers may, without a session; nothing of the state changes', () => {
  const story = new Story()
  const before = story.digests()
  const [[first] = [], [second] = []] = story.apply(
    requestOf([FENCE], { client: 'reader', sequence: 2 ** 53 - 1 }),
    requestOf([FENCE], { client: 'admin' }),
  )
  expect([codeOf(first), codeOf(second)]).toEqual(['ok', 'ok'])
  expect(first).toMatchObject({ index: story.machine.appliedIndex, position: 0 })
  expect(story.machine.sessions.size).toBe(0)
  expect(story.digests().dataDigest).toEqual(before.dataDigest)
})

test('a key that nobody knows may not; a malformed one is none', () => {
  const story = new Story()
  const [[stranger] = [], [malformed] = []] = story.apply(
    requestOf([FENCE], { client: 'stranger' }),
    requestOf([Uint8Array.of(17, 1)], { client: 'reader' }),
  )
  expect([codeOf(stranger), codeOf(malformed)]).toEqual(['UnknownKey', 'InvalidOperation'])
})

test('in an ordered session it has its number like any operation', () => {
  const story = new Story()
  const session = story.open('writer', true)
  expect(story.submit(session, [FENCE, FENCE]).map(codeOf)).toEqual(['ok', 'ok'])
})
