/** The schemas of one Table as a process knows them: the newest it has met, and how to fetch a newer one. */

import { unlessAborted } from '../../base/unless-aborted.ts'
import { type KeyEncoder, keyDecoder, keyEncoder } from './key.ts'
import { type RowCodec, rowCodec } from './rows.ts'
import type { Row, TableSchema } from './schema.ts'

/** Fetches schema `number` from the bucket. A signal may end the request: nobody waits for it any more. */
export type LoadSchema = (number: number, signal?: AbortSignal) => Promise<TableSchema>

export class Schemas {
  readonly #table: string
  readonly #load: LoadSchema
  /** One for all that `until` makes. */
  readonly #newest: { codec: RowCodec }
  readonly #encodeKey: KeyEncoder
  readonly #decodeKey: (key: Buffer) => Row

  /** `table` is `namespace/name`, for messages. `newest` is that of others, where both are to know the same. */
  constructor(table: string, schema: TableSchema, load: LoadSchema, newest = { codec: rowCodec(schema, table) }) {
    this.#table = table
    this.#load = load
    this.#newest = newest
    // The key never changes, so one encoder serves all schemas.
    this.#encodeKey = keyEncoder(schema)
    this.#decodeKey = keyDecoder(schema)
  }

  get current(): TableSchema {
    return this.#newest.codec.schema
  }

  get codec(): RowCodec {
    return this.#newest.codec
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
    this.#newest.codec = rowCodec(schema, this.#table)
  }

  /**
   * The same schemas for one work: what is met by one is known to the other, and when the signal aborts, `reach` of these gives up with
   * its reason. Whoever else waits for a schema goes on waiting.
   */
  until(signal: AbortSignal): Schemas {
    const load: LoadSchema = async (number, within) => {
      const either = within === undefined ? signal : AbortSignal.any([signal, within])
      either.throwIfAborted()
      return unlessAborted(this.#load(number, either), either)
    }
    return new Schemas(this.#table, this.current, load, this.#newest)
  }

  /** Makes sure that schema `number` or a newer one is current, fetching it when it is not. Throws what fetching does. */
  async reach(number: number): Promise<TableSchema> {
    if (number > this.current.number) this.adopt(await this.#load(number))
    return this.current
  }
}
