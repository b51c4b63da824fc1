/** What the tests of a silent object store share: a Table of which a process that opens it knows an older schema than its rows have. */

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { type TestLake, testLake } from './lake/testing.ts'
import { announceSchema } from './log/control.ts'
import { openSqlDatabase, type SqlDatabase } from './replica/sql-database.ts'
import { writeSchema } from './schema/documents.ts'
import type { TableSchema } from './schema/schema.ts'
import type { Table } from './table.ts'
import { patience } from './testing.ts'

export const limits = { memory: '256MB', threads: 1 }

/** Whether a key of the store is that of a schema. */
export const isSchema = (key: string): boolean => key.startsWith('_blasty/schema/')

export type Scene = {
  readonly lake: TestLake
  /** It knows the newest schema. */
  readonly table: Table
  /** Of rows under the second schema, in the lake. */
  readonly revision: number
  /** An instance of its own, empty. */
  readonly sql: () => Promise<SqlDatabase>
}

/** A Table with a row under each of two schemas, in the lake; whoever opens it anew has only heard of the first. */
export async function scene(schema: TableSchema, run: (scene: Scene) => Promise<void>): Promise<void> {
  const lake = await testLake(schema)
  const instances: SqlDatabase[] = []
  try {
    const table = lake.open('writer')
    const archiver = lake.archiver(table, 'lake')
    const write = (number: number, row: object) => {
      const rows = [table.schemas.codec.row(row, 'row')]
      const options = { principal: 'p', schema: number, signal: patience() }
      return table.keyed
        ? table.writer.write(
            rows.map(one => ({ op: 'put', row: one })),
            options,
          )
        : table.writer.append(rows, options)
    }
    const first = table.keyed ? { id: 'a' } : { n: 1 }
    await archiver.reached((await write(1, first)).revision)
    // Of append-only Tables the lake is to lie behind the schema that their log has come to.
    if (!table.keyed) await archiver.stop()
    const columns = [...schema.columns, { name: 'added', type: 'String', required: false, field: 30 } as const]
    await writeSchema(lake.objects, lake.bucket, { ...schema, number: 2, columns })
    await announceSchema(lake.on.log, 2)
    await table.schemas.reach(2)
    const { revision } = await write(2, { ...first, added: 'x' })
    if (table.keyed) {
      await archiver.reached(revision)
      await archiver.stop()
    }
    const sql = async () => {
      const instance = await openSqlDatabase(join(lake.folder, `${randomUUID()}.duckdb`), limits)
      instances.push(instance)
      return instance
    }
    await run({ lake, table, revision, sql })
  } finally {
    await lake.close()
    for (const instance of instances) await instance.close()
  }
}
