/** JSON objects in requests and rows in answers. */

import type { StoredRow } from '../../engine/replica/change.ts'
import { parsed } from '../../engine/schema/parsed.ts'
import type { Row } from '../../engine/schema/schema.ts'
import type { Table } from '../../engine/table.ts'

/** Reads the key of a Table from JSON text. */
export function keyOf(table: Table, text: string, field: string): { readonly row: Row; readonly encoded: Buffer } {
  const row = table.schemas.codec.key(parsed(text, field), field)
  return { row, encoded: table.schemas.encodeKey(row) }
}

/** A row as generic services send it. */
export function rowMessage(table: Table, row: StoredRow): { readonly rowJson: string; readonly revision: bigint } {
  return { rowJson: table.schemas.codec.text(row.body), revision: BigInt(row.revision) }
}
