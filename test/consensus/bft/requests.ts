/** Signed client requests for tests of the Byzantine cores, and the short names by which tests follow them. */
import { requestSignBytes, signedRequest } from '../../../src/consensus/bft/client-request.js'
import type { Entry } from '../../../src/consensus/entry.js'
import { encodeRequest } from '../../../src/consensus/request.js'
import { forEachRequest } from '../../../src/consensus/request-body.js'
import { CLUSTER_ID, sha256 } from '../disk.js'
import { publicKeyOf, signAs } from './keys.js'

/** A request that this client signed. */
export function clientRequest(client: string, sequence: number, size = 16): Uint8Array {
  const operation = new Uint8Array(size).fill(sequence & 0xff)
  const session = { index: 1, offset: 0 }
  const header = { session, firstSequence: sequence, ackedBelow: 0, clientKey: publicKeyOf(client) }
  const unsigned = encodeRequest(header, [operation])
  return signedRequest(unsigned, signAs(client)(requestSignBytes(sha256, CLUSTER_ID, unsigned)))
}

export function nameOf(request: Uint8Array): string {
  return Buffer.from(sha256(request)).toString('hex').slice(0, 16)
}

/** The requests of a data entry. */
export function namesIn({ kind, body }: Pick<Entry, 'kind' | 'body'>): string[] {
  const names: string[] = []
  if (kind === 'data') forEachRequest(body, (start, end) => names.push(nameOf(body.subarray(start, end))))
  return names
}
