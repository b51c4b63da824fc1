/** What the search server's refusals and silences become: errors of the catalogue that keep the server's own code in their cause. */

import { MeilisearchApiError } from 'meilisearch'
import { BlastyError } from '../../base/errors.ts'

const backend = 'search server'

/** A task that the server took and then could not carry out. `code` is the server's, such as `invalid_document_id`. */
export class TaskFailure extends Error {
  override readonly name = 'TaskFailure'
  readonly code: string
  readonly task: number

  constructor(task: number, code: string, message: string) {
    super(message)
    this.task = task
    this.code = code
  }
}

/** The search server's own error code, looked for in the causes too; undefined when it never answered. */
export function searchCode(error: unknown): string | undefined {
  if (error instanceof TaskFailure) return error.code
  if (error instanceof MeilisearchApiError) return error.cause?.code
  return error instanceof Error && error.cause !== undefined ? searchCode(error.cause) : undefined
}

/** HTTP statuses with which a server, or a proxy before it, says that it cannot answer now. */
const awayStatuses: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** The error of the catalogue for what a call on `index` ended with. An abort by the caller passes through as it is. */
export function searchError(error: unknown, index: string, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason
  if (error instanceof BlastyError) return error
  const code = searchCode(error)
  if (code === 'index_not_found') return new BlastyError('INDEX_NOT_FOUND', { index }, { cause: error })
  const answered = error instanceof TaskFailure || error instanceof MeilisearchApiError
  const away = error instanceof MeilisearchApiError && awayStatuses.has(error.response.status)
  if (answered && !away) {
    const problem = `${code ?? 'no error code'}: ${error.message}`
    return new BlastyError('BACKEND_REFUSED', { backend, problem }, { cause: error })
  }
  return new BlastyError('BACKEND_UNAVAILABLE', { backend, problem: problemOf(error) }, { cause: error })
}

/** The innermost message, which says why: `connect ECONNREFUSED`, not `fetch failed`. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.cause instanceof Error) return problemOf(error.cause)
  return error.message || error.name
}

/** For `catch`: gives `value` when the error has the code, of the catalogue or of the server, and passes every other error on. */
export function unless<T>(code: string, value: T): (error: unknown) => T {
  return error => {
    if (error instanceof BlastyError && (error.code === code || searchCode(error) === code)) return value
    throw error
  }
}
