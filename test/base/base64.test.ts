/** Shows that the pure base64 is that of Node, strictly: what another writer would have written differently is refused. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromBase64, toBase64 } from '../../src/base/base64.js'

test('it writes and reads what Node does', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'))
      expect(fromBase64(toBase64(bytes))).toEqual(bytes)
    }),
  )
})

test.each(['A', 'AA', 'AAA', 'AB==', 'AAB=', 'A===', 'AA==AA==', ' AAAA', 'AA_-', 'AAAA\n'])('%j is none', (text) => {
  expect(fromBase64(text)).toBeNull()
})
