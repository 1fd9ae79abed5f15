/**
 * Every bound of the state machine in one place. They are part of its meaning: a node with another
 * value would reject what its peers apply, so none of them is a setting. docs/limits.md lists them.
 */

/** A case's data, in bytes of JSON text. */
export const CASE_DATA_BYTES_MAX = 1_048_576
export const JSON_DEPTH_MAX = 64
/** A case's error text, in bytes of UTF-8. */
export const CASE_ERROR_BYTES_MAX = 4_096
/** A key has at least one byte. */
export const KV_KEY_BYTES_MAX = 1_024
export const KV_VALUE_BYTES_MAX = 1_048_576
/** Name of a Custom operation, ASCII. */
export const HANDLER_NAME_BYTES_MAX = 64

/** W: how far sequence numbers may run ahead of `ackedBelow`. */
export const SESSION_WINDOW = 65_536
/** Sequence numbers count from 1 and end below this; far under 2^53 so that sums stay exact. */
export const SEQUENCE_END = 2 ** 52
/** A session unused for this long, in log time, is gone. */
export const SESSION_TTL_MS = 3_600_000
export const SESSIONS_MAX = 10_000
/** Expired sessions removed at the start of one entry, so that a mass expiry never holds a turn. */
export const EXPIRIES_PER_ENTRY_MAX = 256
/** Bytes of unacknowledged results that one session may hold before reads in it are refused. */
export const SESSION_RESULT_BYTES_MAX = 4_194_304
/** The same over all sessions … */
export const RESULT_BYTES_MAX = 268_435_456
/** … beyond which only sessions that hold less than this may still add large results. */
export const SESSION_RESULT_BYTES_SPARE = 65_536
/**
 * A result of at most this size is always kept; a handler that writes may not return more. Small enough
 * that the answer to a full request, 65,535 of them beside the large ones, fits into one frame.
 */
export const SMALL_RESULT_BYTES = 160

/** Printable ASCII without spaces. */
export const REQUEST_ID_CHARS_MAX = 128
/** The result of an operation under a request id is given again for so long, in log time. */
export const REQUEST_ID_TTL_MS = 86_400_000
/** Request ids kept in all … */
export const REQUEST_IDS_MAX = 100_000
/** … and of one client key. */
export const REQUEST_IDS_PER_CLIENT_MAX = 25_000
/** What writes returns less, warnings included: only reads are refused under a request id. */
export const REQUEST_RESULT_BYTES_MAX = 1_024

/** Rows of one page of a query. */
export const PAGE_LIMIT_MAX = 1_000
export const PAGE_LIMIT_DEFAULT = 100
/** A page ends early, with a cursor, once it has read about this much. */
export const PAGE_BYTES_MAX = 2_097_152
