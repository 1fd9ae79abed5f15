/** Signed client requests for tests of the Byzantine cores, and the short names by which tests follow them. */
import {
  type ChangeAuthority,
  changeSignBytes,
  encodeChange,
  targetMembership,
} from '../../../src/consensus/bft/change-authority.js'
import { requestSignBytes, signedRequest } from '../../../src/consensus/bft/client-request.js'
import type { Entry } from '../../../src/consensus/entry.js'
import type { Membership, TargetMember } from '../../../src/consensus/membership.js'
import { encodeRequest } from '../../../src/consensus/request.js'
import { forEachRequest } from '../../../src/consensus/request-body.js'
import type { Epoch, LogIndex } from '../../../src/consensus/types.js'
import { CLUSTER_ID, sha256 } from '../disk.js'
import { targetOf } from '../engine.js'
import { publicKeyOf, signAs } from './keys.js'

/** A request that this client signed. */
export function clientRequest(client: string, sequence: number, size = 16): Uint8Array {
  const operation = new Uint8Array(size).fill(sequence & 0xff)
  const session = { index: 1, offset: 0 }
  const header = { session, firstSequence: sequence, ackedBelow: 0, clientKey: publicKeyOf(client) }
  const unsigned = encodeRequest(header, [operation])
  return signedRequest(unsigned, signAs(client)(requestSignBytes(sha256, CLUSTER_ID, unsigned)))
}

/** The client that may change the members. */
export const ADMIN = 'admin'

export function mayChangeMembers(publicKey: Uint8Array): boolean {
  return Buffer.from(publicKey).equals(publicKeyOf(ADMIN))
}

/** This client's word for a change of the members. */
export function changeAuthority(
  client: string,
  place: { readonly epoch: Epoch; readonly planned: LogIndex },
  target: readonly TargetMember[],
): ChangeAuthority {
  const bytes = changeSignBytes(sha256, { clusterId: CLUSTER_ID, ...place }, targetMembership(target))
  return { epoch: place.epoch, publicKey: publicKeyOf(client), signature: signAs(client)(bytes) }
}

/** The body of a change that this client ordered. */
export function signedChange(
  membership: Membership,
  place: { readonly epoch: Epoch; readonly planned: LogIndex },
  client = ADMIN,
): Uint8Array {
  return encodeChange(membership, changeAuthority(client, place, targetOf(membership)))
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
