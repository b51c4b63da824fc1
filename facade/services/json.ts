/** JSON objects in requests and rows in answers. */

import { BlastyError } from '../../base/errors.ts'
import type { StoredRow } from '../../engine/replica/change.ts'
import type { Row } from '../../engine/schema/schema.ts'
import type { Table } from '../../engine/table.ts'

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

/** Reads the key of a Table from JSON text. */
export function keyOf(table: Table, text: string, field: string): { readonly row: Row; readonly encoded: Buffer } {
  const row = table.schemas.codec.key(parsed(text, field), field)
  return { row, encoded: table.schemas.encodeKey(row) }
}

/** A row as generic services send it. */
export function rowMessage(table: Table, row: StoredRow): { readonly rowJson: string; readonly revision: bigint } {
  return { rowJson: JSON.stringify(row.row(table.schemas.codec)), revision: BigInt(row.revision) }
}
