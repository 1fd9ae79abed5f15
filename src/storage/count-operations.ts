/** How many operations an entry's body holds, over all its requests; for people who look at the log. */
import { KnhkError } from '../base/error.js'
import { decodeRequestHeader } from '../consensus/request.js'
import { forEachRequest } from '../consensus/request-body.js'

/** 0 for a body that is not framed requests: other kinds of entries have bodies of their own. */
export function countOperations(body: Uint8Array): number {
  let operations = 0
  try {
    forEachRequest(body, (start, end) => {
      operations += decodeRequestHeader(body, start, end).operationCount
    })
  } catch (error) {
    if (error instanceof KnhkError) return 0
    throw error
  }
  return operations
}
