/** The catalogue of every error a user can see: one stable code each, with its gRPC status, HTTP status and message template. */

/** gRPC status names, by the canonical codes of google.rpc.Code. */
export type Status =
  | 'CANCELLED'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'UNAUTHENTICATED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'

export type ErrorEntry = {
  readonly status: Status
  readonly http: number
  /** True when the same request may succeed later without being changed. */
  readonly retryable: boolean
  /** Message with `{name}` places, filled from the details. */
  readonly message: string
}

const entry = (status: Status, http: number, retryable: boolean, message: string): ErrorEntry => ({
  status,
  http,
  retryable,
  message,
})

/** Every code; `docs/errors.md` documents each, and a test holds the two together. */
export const catalogue = {
  // Requests
  INVALID_ROW: entry('INVALID_ARGUMENT', 400, false, 'row {row} does not fit table {table}: {violations}'),
  INVALID_ARGUMENT: entry('INVALID_ARGUMENT', 400, false, '{field}: {problem}'),
  KEY_TOO_LONG: entry(
    'INVALID_ARGUMENT',
    400,
    false,
    'the primary key encodes to {bytes} bytes; at most {limit} are allowed',
  ),
  BATCH_TOO_LARGE: entry('INVALID_ARGUMENT', 400, false, 'a batch holds at most {limit} {unit}, this one has {actual}'),
  ROW_TOO_LARGE: entry(
    'INVALID_ARGUMENT',
    400,
    false,
    'row {row} is {bytes} bytes as JSON; at most {limit} are allowed',
  ),
  INVALID_PREDICATE: entry('INVALID_ARGUMENT', 400, false, 'where: {problem} at position {position}'),
  INVALID_SQL: entry('INVALID_ARGUMENT', 400, false, 'sql: {problem}'),
  UNSUPPORTED: entry('UNIMPLEMENTED', 501, false, '{what} is not built in this version; {instead}'),
  // Identity
  UNAUTHENTICATED: entry('UNAUTHENTICATED', 401, false, 'no valid credentials: {problem}'),
  PERMISSION_DENIED: entry(
    'PERMISSION_DENIED',
    403,
    false,
    '{subject} may not {action} on {table}; an AccessPolicy must allow it',
  ),
  // Things
  TABLE_NOT_FOUND: entry('NOT_FOUND', 404, false, 'no table {table} that you may see'),
  TABLE_NOT_READY: entry('UNAVAILABLE', 503, true, 'table {table} is not ready: {reason}'),
  INDEX_NOT_FOUND: entry('NOT_FOUND', 404, false, 'no index {index} that you may see'),
  INDEX_NOT_READY: entry('UNAVAILABLE', 503, true, 'index {index} is not ready: {reason}'),
  SUBSCRIPTION_NOT_FOUND: entry('NOT_FOUND', 404, false, 'no subscription {subscription} that you may see'),
  ERASURE_NOT_FOUND: entry('NOT_FOUND', 404, false, 'no erasure {id} in {table}'),
  ROW_NOT_FOUND: entry('NOT_FOUND', 404, false, 'no row with that key in {table}'),
  BLOB_NOT_FOUND: entry('NOT_FOUND', 404, false, 'no such blob in {table}'),
  BLOB_MISMATCH: entry(
    'INVALID_ARGUMENT',
    400,
    false,
    'the blob received has {property} {actual}, {expected} was announced',
  ),
  BLOB_NOT_STORED: entry(
    'FAILED_PRECONDITION',
    409,
    false,
    'table {table} cannot keep the blobs of this write: {problems}; upload the content, then write the row',
  ),
  BLOB_RANGE: entry('OUT_OF_RANGE', 416, false, 'offset {offset} is beyond the blob, which has {size} bytes'),
  IMAGE_REFUSED: entry('FAILED_PRECONDITION', 422, false, 'no thumbnail can be made of this blob: {problem}'),
  // Writes
  REVISION_CONFLICT: entry(
    'ABORTED',
    409,
    false,
    'row {row} is not at the revision expected: {problem}; read it again, then retry',
  ),
  ROW_EXISTS: entry('ALREADY_EXISTS', 409, false, 'row {row} exists already'),
  MUTATION_ID_REUSED: entry('ALREADY_EXISTS', 409, false, 'mutation_id {id} was used before with another payload'),
  LOG_FULL: entry(
    'RESOURCE_EXHAUSTED',
    429,
    true,
    'the log of {table} is full; it refuses writes rather than drop what is not archived',
  ),
  LOG_LOST: entry(
    'DATA_LOSS',
    503,
    false,
    'the log of {table} is lost: {problem}; writes are refused until it is repaired',
  ),
  LOG_GAP: entry(
    'DATA_LOSS',
    503,
    false,
    'the log of {table} jumps from revision {from} to {to} without a declared hole',
  ),
  LOG_CORRUPT: entry('DATA_LOSS', 503, false, 'revision {revision} of {table} cannot be read: {problem}'),
  OUTCOME_UNKNOWN: entry(
    'UNAVAILABLE',
    503,
    true,
    'it is not known whether the write was committed: {problem}; retry it with the same mutation_id',
  ),
  // Lake
  LAKE_CORRUPT: entry('DATA_LOSS', 503, false, 'the lake {lake} cannot be read: {problem}'),
  LAKE_UNSUPPORTED: entry(
    'UNIMPLEMENTED',
    501,
    false,
    'the lake {lake} uses what this version does not know: {problem}',
  ),
  LAKE_VERSION_EXPIRED: entry(
    'FAILED_PRECONDITION',
    410,
    false,
    'version {version} of the lake {lake} is no longer kept; versions from {oldest} on are',
  ),
  // Reads
  REVISION_NOT_REACHED: entry('OUT_OF_RANGE', 400, false, 'revision {revision} is beyond the last of {table}, {last}'),
  EPOCH_CHANGED: entry(
    'FAILED_PRECONDITION',
    409,
    false,
    'table {table} was repaired: its epoch is {actual}, the token is of {given}; start anew',
  ),
  CURSOR_EXPIRED: entry(
    'FAILED_PRECONDITION',
    410,
    false,
    'the cursor at revision {revision} is older than what {table} still holds; start from a snapshot',
  ),
  REVISION_EXPIRED: entry(
    'FAILED_PRECONDITION',
    410,
    false,
    'the rows of {table} as of {asOf} are no longer kept; those as of revision {oldest} and later are',
  ),
  PAGE_TOKEN_EXPIRED: entry(
    'FAILED_PRECONDITION',
    410,
    false,
    'the listing of {table} at revision {revision} is no longer held; list anew, or go on in the newest rows with after_json {after}',
  ),
  WAIT_TIMEOUT: entry('DEADLINE_EXCEEDED', 504, true, '{what} did not reach revision {revision} in time'),
  QUERY_FAILED: entry('INVALID_ARGUMENT', 400, false, 'the query failed: {problem}'),
  QUERY_LIMIT: entry('RESOURCE_EXHAUSTED', 429, true, 'the query was stopped at its limit of {limit}'),
  LAKE_LOST: entry(
    'DATA_LOSS',
    503,
    false,
    'the lake of {table} is lost: {problem}; writes are refused until its objects are put back or it is repaired',
  ),
  // Server
  SERVICE_NOT_FOUND: entry('NOT_FOUND', 404, false, 'no service {service} is known here'),
  CANCELLED: entry('CANCELLED', 499, false, 'the client left before the answer'),
  SERVER_STARTING: entry('UNAVAILABLE', 503, true, 'the server does not know the cluster yet; try again'),
  SERVER_BUSY: entry('RESOURCE_EXHAUSTED', 429, true, 'too many {what} at once: {limit}; try again'),
  SERVER_CLOSING: entry('UNAVAILABLE', 503, true, 'the server is shutting down; connect again'),
  // Backends
  BACKEND_UNAVAILABLE: entry('UNAVAILABLE', 503, true, 'the {backend} does not answer: {problem}'),
  BACKEND_REFUSED: entry('FAILED_PRECONDITION', 502, false, 'the {backend} refused: {problem}'),
  INTERNAL: entry('INTERNAL', 500, false, 'internal error {id}; the log of the server tells more'),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof catalogue

/** One field of a request that does not fit. `field` is a path such as `rows[2].gross`. */
export type FieldViolation = { readonly field: string; readonly description: string }

export type ErrorDetails = Readonly<Record<string, string | number | bigint>>

/** An error of the catalogue. Branch on `code`, never on the message. */
export class BlastyError extends Error {
  override readonly name = 'BlastyError'
  readonly code: ErrorCode
  readonly details: ErrorDetails
  readonly violations: readonly FieldViolation[]

  constructor(
    code: ErrorCode,
    details: ErrorDetails = {},
    options: { cause?: unknown; violations?: readonly FieldViolation[] } = {},
  ) {
    super(
      catalogue[code].message.replace(/\{(\w+)\}/g, (_, name: string) => String(details[name] ?? '?')),
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.details = details
    this.violations = options.violations ?? []
  }

  get entry(): ErrorEntry {
    return catalogue[this.code]
  }
}

/** True when `error` is of the catalogue and, if given, has one of the codes. */
export function isBlastyError(error: unknown, ...codes: ErrorCode[]): error is BlastyError {
  return error instanceof BlastyError && (codes.length === 0 || codes.includes(error.code))
}
