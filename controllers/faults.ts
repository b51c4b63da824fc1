/** What an error of the product means to a reconcile. */

import { isBlastyError } from '../base/errors.ts'
import { type Blocked, stalled } from '../operator/mod.ts'

/** Conditions of the backends, by whether they may pass by themselves. Undefined for errors that are not of the catalogue. */
export function classify(error: unknown): Blocked | undefined {
  if (!isBlastyError(error)) return undefined
  const { code, message } = error
  switch (code) {
    case 'BACKEND_UNAVAILABLE':
    case 'OUTCOME_UNKNOWN':
      return { blocked: 'Failed', reason: 'BackendUnavailable', message }
    case 'BACKEND_REFUSED':
      return { blocked: 'Failed', reason: 'BackendRefused', message }
    case 'REVISION_CONFLICT':
      return { blocked: 'Failed', reason: 'Conflict', message: 'another wrote to the log at the same time' }
    case 'LOG_LOST':
      // Seen between two looks; the next look tells whether it is lost or can be remade.
      return { blocked: 'Failed', reason: 'LogLost', message }
    case 'LOG_FULL':
      return stalled('LogFull', message, { condition: 'LogReady' })
    default:
      return { blocked: 'Failed', reason: 'InternalError', message }
  }
}
