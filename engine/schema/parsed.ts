/** JSON text as it comes in requests. */

import { BlastyError } from '../../base/errors.ts'

/** Parses JSON text of a request. Throws INVALID_ARGUMENT naming the field. */
export function parsed(text: string, field: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const problem = `is not JSON: ${error instanceof Error ? error.message : String(error)}`
    throw new BlastyError(
      'INVALID_ARGUMENT',
      { field, problem },
      { cause: error, violations: [{ field, description: problem }] },
    )
  }
}
