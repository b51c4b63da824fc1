/** Pages of rows: one revision on all of them, whatever else is written, listed or closed meanwhile. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { patience } from '../../engine/testing.ts'
import { type Page, page } from './rows.ts'
import { Snapshots } from './snapshots.ts'
import { callContext, type ServedForTest, servedTable } from './testing.ts'

const options = () => ({ principal: 'p', schema: 1, signal: patience() })
const put = (id: string, year: number) => ({ op: 'put' as const, row: { id, year } })
const expired = (error: unknown) => isBlastyError(error, 'CURSOR_EXPIRED')
const invalid = (error: unknown) => isBlastyError(error, 'INVALID_ARGUMENT')

const list = (
  { served: { table } }: ServedForTest,
  snapshots: Snapshots,
  pageToken = '',
  pageSize = 10,
): Promise<Page> => page(table, { pageSize, pageToken, minToken: undefined }, snapshots, callContext())

test('all pages show the revision of the first, while rows are written and others list', async () => {
  const served = await servedTable()
  const { table } = served.served
  const snapshots = new Snapshots()
  await table.writer.write(
    Array.from({ length: 55 }, (_, i) => put(`k${String(i).padStart(2, '0')}`, 1)),
    options(),
  )
  const ids: unknown[] = []
  let at = await list(served, snapshots)
  for (let round = 2; ; round++) {
    for (const row of at.rows) {
      const { id, year } = row.row(table.schemas.codec)
      ids.push(id)
      assert.equal(year, 1)
    }
    if (at.nextPageToken === '') break
    // Many short listings at as many revisions: they keep nothing, so they push nobody out.
    for (let i = 0; i < 20; i++) {
      await table.writer.write([put('k00', round), put(`new${round}`, i)], options())
      const { nextPageToken } = await list(served, snapshots, '', 1000)
      assert.equal(nextPageToken, '')
    }
    at = await list(served, snapshots, at.nextPageToken)
  }
  assert.equal(new Set(ids).size, 55)
  assert.deepEqual(ids, [...ids].sort())
  snapshots.close()
  await served.on.close()
})

test('a page token of a snapshot that is no longer held, of another table, or made up is refused', async () => {
  const [one, two] = [await servedTable(), await servedTable()]
  const snapshots = new Snapshots()
  for (const { served } of [one, two]) {
    await served.table.writer.write(
      Array.from({ length: 20 }, (_, i) => put(`k${i}`, 1)),
      options(),
    )
  }
  const { nextPageToken } = await list(one, snapshots)
  assert.notEqual(nextPageToken, '')
  await assert.rejects(list(two, snapshots, nextPageToken), invalid)
  for (const token of [
    'x',
    '%',
    Buffer.from('null').toString('base64url'),
    Buffer.from('{"uid":1}').toString('base64url'),
  ]) {
    await assert.rejects(list(one, snapshots, token), invalid)
  }
  await assert.rejects(list(one, new Snapshots(), nextPageToken), expired)
  snapshots.close()
  await assert.rejects(list(one, snapshots, nextPageToken), expired)
  await one.on.close()
  await two.on.close()
})

test('a listing whose replica was closed and opened again says that its cursor has expired', async () => {
  const served = await servedTable()
  await served.served.table.writer.write(
    Array.from({ length: 20 }, (_, i) => put(`k${i}`, 1)),
    options(),
  )
  const snapshots = new Snapshots()
  const { nextPageToken } = await list(served, snapshots)
  await served.served.table.close()
  const { table } = await served.on.open('facade')
  const again = { ...served, served: { ...served.served, table } }
  await assert.rejects(list(again, snapshots, nextPageToken), expired)
  assert.equal((await list(again, snapshots)).rows.length, 10)
  snapshots.close()
  await served.on.close()
})
