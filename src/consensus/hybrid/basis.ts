/** How an epoch ended, as the INIT of the Byzantine epoch behind it carries it. */
import { ByteReader, ByteWriter, bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { ValidateInit } from '../bft/init.js'
import { type EpochLink, type LinkRules, readLinks, walkLinks, writeLinks } from './epoch-links.js'
import type { EpochStart } from './epoch-record.js'

export function encodeBasis(link: EpochLink): Uint8Array {
  const out = new ByteWriter(4096)
  writeLinks(out, [link])
  return out.finish()
}

/** Throws `ProtocolViolation` unless `proof` is how one epoch ended. */
export function decodeBasis(proof: Uint8Array): EpochLink {
  const reader = new ByteReader(proof)
  const [link, ...others] = readLinks(reader)
  reader.end()
  if (link === undefined || others.length > 0)
    throw new KnhkError('ProtocolViolation', 'an epoch rests on how the one before ended')
  return link
}

/** INIT of an epoch rests on how the one before ended: another proof of the same end serves as well. */
export function validateBasis(rules: LinkRules, ended: EpochStart, known: EpochLink): ValidateInit {
  return (_record, proof) => {
    const claimed = decodeBasis(proof)
    if (!isSameEnd(claimed, known)) return null
    const walk = walkLinks(rules, ended, [claimed])
    return typeof walk === 'string' ? null : walk.checks
  }
}

function isSameEnd(a: EpochLink, b: EpochLink): boolean {
  if (a.kind === 'switch' && b.kind === 'switch')
    return a.certificate.timestampMs === b.certificate.timestampMs && bytesEqual(a.certificate.body, b.certificate.body)
  if (a.kind === 'switch' || b.kind === 'switch') return false
  const [own, other] = [a.checkpoint.statement, b.checkpoint.statement]
  return bytesEqual(a.entry.chain, b.entry.chain) && bytesEqual(own.digest, other.digest)
}
