/** Rows of every type go into Parquet files and come back as they were; statistics bound them. */

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc, { runs } from '../../test/random.ts'
import { rowCodec } from '../schema/rows.ts'
import type { Row, TableSchema } from '../schema/schema.ts'
import { eventSchema, filmSchema, temporaryFolder } from '../testing.ts'
import { type InsertedRow, type LakeRow, ParquetFiles, type SourceFile } from './parquet.ts'
import { RecordFiles } from './record-files.ts'
import { stagedHead } from './staged.ts'
import { columnValue } from './testing-values.ts'

const schema: TableSchema = {
  ...filmSchema,
  columns: [
    ...filmSchema.columns,
    { name: 'ids', type: 'Array', items: { type: 'UUID' }, required: false, field: 20 },
    { name: 'keys', type: 'Array', items: { type: 'Bytes' }, required: false, field: 21 },
    { name: 'sums', type: 'Array', items: { type: 'Decimal', precision: 38, scale: 10 }, required: false, field: 22 },
    { name: 'nums', type: 'Array', items: { type: 'Double' }, required: false, field: 23 },
    { name: 'times', type: 'Array', items: { type: 'Timestamp' }, required: false, field: 24 },
    { name: 'poster', type: 'Blob', required: false, field: 25 },
    { name: 'big', type: 'Decimal', precision: 38, scale: 0, required: false, field: 26 },
    { name: 'share', type: 'Decimal', precision: 38, scale: 38, required: false, field: 27 },
    { name: 'shares', type: 'Array', items: { type: 'Decimal', precision: 4, scale: 4 }, required: false, field: 28 },
  ],
}
const codec = rowCodec(schema, 'test/films')

async function withFiles<T>(work: (files: ParquetFiles, folder: string) => Promise<T>): Promise<T> {
  const { path, remove } = await temporaryFolder()
  const files = await ParquetFiles.open(path, { memory: '256MB', threads: 1 })
  try {
    return await work(files, path)
  } finally {
    files.close()
    await remove()
  }
}

const line = (row: Row, revision: number) =>
  `${JSON.stringify({ _revision: revision, _commit_time: 1_700_000_000_000_000 + revision, ...row })}\n`

async function write(files: ParquetFiles, folder: string, rows: readonly Row[], name = 'rows') {
  const from = join(folder, `${name}.ndjson`)
  await writeFile(from, rows.map((row, index) => line(row, index + 1)).join(''))
  const file = join(folder, `${name}.parquet`)
  return { file, ...(await files.writeRows(schema, from, file)) }
}

async function readAll(files: ParquetFiles, source: SourceFile, as = schema): Promise<LakeRow[]> {
  const found: LakeRow[] = []
  for await (const rows of files.read(as, source)) found.push(...rows)
  return found.sort((a, b) => a.position - b.position)
}

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 4 })
const givenRow = fc.record(
  Object.fromEntries(
    schema.columns.map(column => {
      const value = columnValue(column)
      return [column.name, column.required ? value : maybe(value)]
    }),
  ),
)

/** The same rows as records of the log, of a few rows each; what they share is of the record. */
async function writeAsRecords(files: ParquetFiles, folder: string, rows: readonly Row[], sizes: readonly number[]) {
  const records = new RecordFiles(folder)
  let at = 0
  for (const [index, size] of [...sizes, rows.length].entries()) {
    const some = rows.slice(at, at + size).map(row => JSON.stringify(row))
    at += size
    // A record may be written over several lines.
    const body = Buffer.from(`[${some.join(index % 2 === 0 ? ',' : ' ,\n')}]`)
    await records.add(stagedHead(index + 1, 1_700_000_000_000_000 + index, index + 1), body)
  }
  const file = join(folder, 'records.parquet')
  return { file, ...(await files.writeRecords(schema, await records.close(), file)) }
}

const bodies = (rows: readonly LakeRow[]) => rows.map(({ body }) => codec.decode(Buffer.from(body)))

test('rows of every type come back from a file as they were written', () =>
  withFiles(async (files, folder) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(givenRow, { minLength: 1, maxLength: 20 }),
        fc.array(fc.nat(5), { maxLength: 4 }),
        async (given, sizes) => {
          const rows = given.map(row => codec.row(JSON.parse(JSON.stringify(row)), 'row'))
          const written = rows.map(row => codec.decode(Buffer.from(JSON.stringify(row))))
          const { file, rows: count } = await write(files, folder, rows)
          assert.equal(count, rows.length)
          const found = await readAll(files, { file, deleted: [] })
          assert.deepEqual(
            found.map(({ position, revision, commitTime }) => [position, revision, commitTime]),
            rows.map((_, index) => [index, index + 1, 1_700_000_000_000_001 + index]),
          )
          assert.deepEqual(bodies(found), written)
          const records = await writeAsRecords(files, folder, rows, sizes)
          assert.equal(records.rows, rows.length)
          const inRecords: InsertedRow[] = []
          for await (const some of files.readInserted(schema, { file: records.file, deleted: [] }, 0))
            inRecords.push(...some)
          assert.deepEqual(bodies(inRecords), written)
          const of = sizes.flatMap((size, index) => Array.from({ length: size }, () => index))
          assert.deepEqual(
            inRecords.map(({ revision, batchEnd, commitTime }) => [revision, batchEnd, commitTime]),
            rows.map((_, index) => {
              const record = of[index] ?? sizes.length
              return [record + 1, record + 1, 1_700_000_000_000_000 + record]
            }),
          )
        },
      ),
      { numRuns: runs(40) },
    )
  }))

test('rows that were appended together keep their order when files are put together', () =>
  withFiles(async (files, folder) => {
    const events = { ...eventSchema, columns: eventSchema.columns.filter(({ name }) => name !== 'at') }
    const sources: SourceFile[] = []
    // Rows of one record have one revision, and nothing else tells their order.
    const texts = ['same', 'same', undefined, 'a', undefined]
    const revisions = [9, 8, 7, 6, 5, 4, 3, 2, 1]
    for (const revision of revisions) {
      const from = join(folder, `${revision}.ndjson`)
      const head = { _revision: revision, _commit_time: revision, _blasty_batch_end: revision }
      await writeFile(from, texts.map(text => `${JSON.stringify({ ...head, text, n: String(revision) })}\n`).join(''))
      const file = join(folder, `${revision}.parquet`)
      await files.writeRows(events, from, file)
      sources.push({ file, deleted: [] })
    }
    const file = join(folder, 'together.parquet')
    await files.rewrite(events, sources, file)
    const found: unknown[] = []
    for await (const rows of files.readInserted(events, { file, deleted: [] }, 0))
      for (const { body } of rows) found.push(JSON.parse(body))
    assert.deepEqual(
      found,
      revisions.toReversed().flatMap(n => texts.map(text => ({ n: String(n), ...(text !== undefined && { text }) }))),
    )
  }))
