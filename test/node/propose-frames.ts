/** What a simulated client sends when it proposes something outside of a session, signed or not. */
import { requestSignBytes, signedRequest } from '../../src/consensus/bft/client-request.js'
import { encodeRequest, NO_SESSION } from '../../src/consensus/request.js'
import { sha256 } from '../../src/crypto/sha256.js'
import { SIMULATED_CLIENT_KEY } from '../../src/simulator/cluster.js'
import { simulatedSigner } from '../../src/simulator/signatures.js'
import { PROPOSE_HEADER_BYTES, writeProposeHeader } from '../../src/transport/client-protocol.js'
import { encodeOperation } from '../../src/workflow/operation-codec.js'
import type { Operation } from '../../src/workflow/operations.js'

/** The payload of a propose frame with a request that nobody signed; the number of the frame is its first sequence number. */
export function plainFrame(firstSequence: number, operations: readonly Operation[]): Uint8Array {
  return framed(firstSequence, unsignedRequest(firstSequence, operations))
}

/** The same with a request that the simulated client signed. */
export function signedFrame(
  clusterId: Uint8Array,
  firstSequence: number,
  operations: readonly Operation[],
): Uint8Array {
  const unsigned = unsignedRequest(firstSequence, operations)
  const sign = simulatedSigner(sha256, SIMULATED_CLIENT_KEY)
  return framed(firstSequence, signedRequest(unsigned, sign(requestSignBytes(sha256, clusterId, unsigned))))
}

function unsignedRequest(firstSequence: number, operations: readonly Operation[]): Uint8Array {
  const header = { session: NO_SESSION, firstSequence, ackedBelow: 0, clientKey: SIMULATED_CLIENT_KEY }
  return encodeRequest(header, operations.map(encodeOperation))
}

function framed(number: number, request: Uint8Array): Uint8Array {
  const payload = new Uint8Array(PROPOSE_HEADER_BYTES + request.length)
  payload.set(request, PROPOSE_HEADER_BYTES)
  writeProposeHeader(payload, number)
  return payload
}
