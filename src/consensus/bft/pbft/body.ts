/** Bodies that hold exactly one request: INIT, a configuration, a piece of evidence. */
import { KnhkError } from '../../../base/error.js'
import { forEachRequest } from '../../request-body.js'

/** The one request of a body; null where it does not hold exactly one. */
export function onlyRequestIn(body: Uint8Array): Uint8Array | null {
  let count = 0
  let only: Uint8Array | null = null
  try {
    forEachRequest(body, (start, end) => {
      count++
      only = body.subarray(start, end)
    })
  } catch (error) {
    if (error instanceof KnhkError) return null
    throw error
  }
  return count === 1 ? only : null
}
