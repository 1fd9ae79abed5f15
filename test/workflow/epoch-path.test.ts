/** Shows that the way through the epochs, as receipts carry it, has one encoding and bounds. */
import { expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/base/bytes.js'
import { writeLinks } from '../../src/consensus/hybrid/epoch-links.js'
import { readPath, writePath } from '../../src/workflow/receipts/epochs.js'

const bytes = (write: (out: ByteWriter) => void) => {
  const out = new ByteWriter(16)
  write(out)
  return out.finish()
}
const read = (encoded: Uint8Array) => readPath(new ByteReader(encoded))

it('has one form for a path without a switch, and refuses more steps than there may be', () => {
  const empty = bytes((out) => writePath(out, []))
  expect([...empty]).toEqual([0, 0])
  expect(read(empty)).toEqual([])
  const linked = bytes((out) => {
    out.u16(0xffff)
    writeLinks(out, [])
  })
  expect(() => read(linked)).toThrow(expect.objectContaining({ code: 'ProtocolViolation' }))
  expect(() => read(bytes((out) => out.u16(0xfffe)))).toThrow(expect.objectContaining({ code: 'ProtocolViolation' }))
})
