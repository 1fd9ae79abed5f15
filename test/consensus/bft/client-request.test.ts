/** Shows that a signed request is checked as it is: unchanged by the check, and unsound with any byte changed. */
import { expect, it } from 'vitest'
import { requestCheck } from '../../../src/consensus/bft/client-request.js'
import { CLUSTER_ID, sha256 } from '../disk.js'
import { holds } from './keys.js'
import { clientRequest } from './requests.js'

it('a request that came in a Buffer is as it was after the check', () => {
  // As from a file or a socket: `slice` of a Buffer is a view.
  const request = Buffer.from(clientRequest('client', 1))
  const before = Uint8Array.from(request)
  const check = requestCheck(sha256, CLUSTER_ID, request)
  expect(check !== null && holds(check)).toBe(true)
  expect(Uint8Array.from(request)).toEqual(before)
})

it('with any byte changed it does not hold, or is no request', () => {
  const request = clientRequest('client', 1)
  for (let at = 0; at < request.length; at++) {
    const changed = request.slice()
    changed[at] = (changed[at] as number) ^ 1
    const check = requestCheck(sha256, CLUSTER_ID, changed)
    expect(check !== null && holds(check), `byte ${at}`).toBe(false)
  }
})
