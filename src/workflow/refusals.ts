/**
 * The results of operations that are refused before they reach what they are about: malformed, not
 * permitted, outside their session. Constants where they can be, because a replay may ask for thousands.
 */
import { fromUtf8 } from '../base/bytes.js'
import { CLIENT_ROLES, type ClientRole } from '../consensus/configuration.js'
import {
  REQUEST_IDS_MAX,
  REQUEST_IDS_PER_CLIENT_MAX,
  REQUEST_RESULT_BYTES_MAX,
  SESSION_RESULT_BYTES_MAX,
  SESSION_WINDOW,
  SESSIONS_MAX,
} from './limits.js'
import { isHandlerName } from './names.js'
import { rejected } from './result-codec.js'

export const MALFORMED_REQUEST = rejected('InvalidOperation', 'the request is malformed')
export const MALFORMED_OPERATION = rejected('InvalidOperation', 'the operation is malformed')
export const NEEDS_SESSION = rejected('InvalidOperation', 'only OpenSession is possible without a session')
export const UNKNOWN_KEY = rejected('UnknownKey', 'the cluster does not know this client key')
export const FOREIGN_SESSION = rejected('NotPermitted', 'the session belongs to another client key')
export const SESSION_EXPIRED = rejected('SessionExpired', 'the session is unknown, closed or expired')
export const SESSION_LIMIT = rejected('SessionLimit', `there are ${SESSIONS_MAX} open sessions`)
export const SEQUENCE_STALE = rejected(
  'SequenceStale',
  'the result of this sequence number was acknowledged and is gone',
)
export const SEQUENCE_TOO_FAR = rejected(
  'SequenceTooFar',
  `the sequence number is over the window of ${SESSION_WINDOW}`,
)
export const SEQUENCE_GAP = rejected('SequenceGap', 'an earlier operation of this ordered session is missing')
export const RESULTS_FULL = rejected(
  'ResourceExhausted',
  `the unacknowledged results of this session take up to ${SESSION_RESULT_BYTES_MAX} bytes`,
)

export const REQUEST_IDS_FULL = rejected(
  'ResourceExhausted',
  `the cluster keeps ${REQUEST_IDS_MAX} request ids, ${REQUEST_IDS_PER_CLIENT_MAX} of one client, each for a day`,
)
export const REQUEST_RESULT_TOO_LARGE = rejected(
  'InvalidOperation',
  `a result over ${REQUEST_RESULT_BYTES_MAX} bytes is not kept: read without a request id`,
)

const NEEDS_ROLE = new Map(
  CLIENT_ROLES.map((role) => [role, rejected('NotPermitted', `the operation needs the role ${role}`, { role })]),
)

export function needsRole(role: ClientRole): Uint8Array {
  return NEEDS_ROLE.get(role) ?? MALFORMED_OPERATION
}

/** `index` is that of the operation which has the request id. */
export function requestIdReused(index: number): Uint8Array {
  return rejected('RequestIdReused', 'the request id belongs to another operation', { appliedIndex: index })
}

/** `name` as it stands in the operation; one that is not even well-formed is malformed. */
export function unknownOperation(name: Uint8Array): Uint8Array {
  for (const byte of name) if (byte < 0x21 || byte > 0x7e) return MALFORMED_OPERATION
  const operation = fromUtf8(name)
  if (!isHandlerName(operation)) return MALFORMED_OPERATION
  return rejected('UnknownOperation', 'no handler has this name', { operation })
}
