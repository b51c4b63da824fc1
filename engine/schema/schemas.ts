/** The schemas of one Table as a process knows them: the newest it has met, and how to fetch a newer one. */

import { type KeyEncoder, keyDecoder, keyEncoder } from './key.ts'
import { type RowCodec, rowCodec } from './rows.ts'
import type { Row, TableSchema } from './schema.ts'

/** Fetches schema `number` from the bucket. */
export type LoadSchema = (number: number) => Promise<TableSchema>

export class Schemas {
  readonly #table: string
  readonly #load: LoadSchema
  #codec: RowCodec
  readonly #encodeKey: KeyEncoder
  readonly #decodeKey: (key: Buffer) => Row

  /** `table` is `namespace/name`, for messages. */
  constructor(table: string, schema: TableSchema, load: LoadSchema) {
    this.#table = table
    this.#load = load
    this.#codec = rowCodec(schema, table)
    // The key never changes, so one encoder serves all schemas.
    this.#encodeKey = keyEncoder(schema)
    this.#decodeKey = keyDecoder(schema)
  }

  get current(): TableSchema {
    return this.#codec.schema
  }

  get codec(): RowCodec {
    return this.#codec
  }

  get encodeKey(): KeyEncoder {
    return this.#encodeKey
  }

  /** Reads an encoded key back into its columns. */
  get decodeKey(): (key: Buffer) => Row {
    return this.#decodeKey
  }

  /** Takes a schema met elsewhere, such as in a Table's status; an older one is ignored. */
  adopt(schema: TableSchema): void {
    if (schema.number <= this.current.number) return
    this.#codec = rowCodec(schema, this.#table)
  }

  /** Makes sure that schema `number` or a newer one is current, fetching it when it is not. */
  async reach(number: number): Promise<TableSchema> {
    if (number > this.current.number) this.adopt(await this.#load(number))
    return this.current
  }
}
