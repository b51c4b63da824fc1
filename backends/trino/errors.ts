/** What Trino's refusals and silences become: errors of the catalogue that keep Trino's own name in their cause. */

import { BlastyError, isBlastyError } from '../../base/errors.ts'

const backend = 'Trino server'

/** A query that Trino took and then could not carry out. */
export class TrinoFailure extends Error {
  override readonly name = 'TrinoFailure'
  readonly queryId: string
  /** Trino's own name, such as `TABLE_NOT_FOUND`. */
  readonly errorName: string
  /** Whose fault it is. */
  readonly errorType: string

  constructor(queryId: string, errorName: string, errorType: string, message: string) {
    super(message)
    this.queryId = queryId
    this.errorName = errorName
    this.errorType = errorType
  }
}

/** Trino's own name of an error, looked for in its causes too; undefined when it is not Trino's. */
export function trinoErrorName(error: unknown): string | undefined {
  if (error instanceof TrinoFailure) return error.errorName
  return error instanceof Error && error.cause !== undefined ? trinoErrorName(error.cause) : undefined
}

/** Failures of a server that starts, stops or loses its workers: the same query may succeed later. */
const passing: ReadonlySet<string> = new Set([
  'NO_NODES_AVAILABLE',
  'SERVER_STARTING_UP',
  'SERVER_SHUTTING_DOWN',
  'REMOTE_HOST_GONE',
  'REMOTE_TASK_ERROR',
  'PAGE_TRANSPORT_ERROR',
  'PAGE_TRANSPORT_TIMEOUT',
])

/** True when nothing of the query has run, because the server has no workers yet or is still starting. */
export const neverRan = (error: unknown): boolean =>
  ['NO_NODES_AVAILABLE', 'SERVER_STARTING_UP'].includes(trinoErrorName(error) ?? '')

/** The error of the catalogue for a failed query. */
export function failedQuery(failure: TrinoFailure): BlastyError {
  const { errorName, errorType, message } = failure
  const problem = `${errorName}: ${message}`
  if (passing.has(errorName)) return new BlastyError('BACKEND_UNAVAILABLE', { backend, problem }, { cause: failure })
  switch (errorType) {
    case 'USER_ERROR':
      return new BlastyError('QUERY_FAILED', { problem }, { cause: failure })
    case 'INSUFFICIENT_RESOURCES':
      return new BlastyError('QUERY_LIMIT', { limit: problem }, { cause: failure })
    default:
      return new BlastyError('BACKEND_REFUSED', { backend, problem }, { cause: failure })
  }
}

/** The error of the catalogue for an answer that is none, such as `503 Service Unavailable` after every attempt. */
export function noAnswer(problem: string, cause?: unknown): BlastyError {
  if (isBlastyError(cause)) return cause
  return new BlastyError('BACKEND_UNAVAILABLE', { backend, problem }, { cause })
}

/** The error of the catalogue for a request that Trino does not take, or an answer that is not of its protocol. */
export function refused(problem: string, cause?: unknown): BlastyError {
  return new BlastyError('BACKEND_REFUSED', { backend, problem }, { cause })
}
