/** The schemas of a Table as documents in its bucket, written once and never changed. The bucket is the truth. */

import type { ObjectStore } from '../../backends/object-store/store.ts'
import { BlastyError } from '../../base/errors.ts'
import type { TableSchema } from './schema.ts'

const prefix = '_blasty/schema/'
const keyOf = (number: number) => `${prefix}${number}.json`

/** Reads schema `number`. Throws BACKEND_REFUSED when the bucket does not hold it. */
export async function readSchema(objects: ObjectStore, bucket: string, number: number): Promise<TableSchema> {
  const body = await objects.get(bucket, keyOf(number))
  if (body === undefined) {
    throw new BlastyError('BACKEND_REFUSED', {
      backend: 'object store',
      problem: `bucket ${bucket} holds no schema ${number}`,
    })
  }
  return JSON.parse(body.toString()) as TableSchema
}

/** The newest schema in the bucket; undefined when there is none. */
export async function newestSchema(objects: ObjectStore, bucket: string): Promise<TableSchema | undefined> {
  let newest = 0
  for await (const { key } of objects.list(bucket, prefix)) {
    const number = Number(key.slice(prefix.length).replace(/\.json$/, ''))
    if (Number.isSafeInteger(number)) newest = Math.max(newest, number)
  }
  return newest === 0 ? undefined : readSchema(objects, bucket, newest)
}

/**
 * Writes a schema once. When its number is taken by the same schema that is fine.
 * @returns the schema that the bucket holds under that number
 */
export async function writeSchema(objects: ObjectStore, bucket: string, schema: TableSchema): Promise<TableSchema> {
  const written = await objects.put(bucket, keyOf(schema.number), Buffer.from(JSON.stringify(schema)), {
    ifAbsent: true,
  })
  return written ? schema : readSchema(objects, bucket, schema.number)
}
