/** Pages of rows: one revision on all of them, whatever else is written, listed or closed meanwhile. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import type { KeyBounds } from '../../engine/schema/key-range.ts'
import { patience } from '../../engine/testing.ts'
import { wholeTable } from './row-view.ts'
import { type Page, page, rowsAt } from './rows.ts'
import { Snapshots } from './snapshots.ts'
import { callContext, type ServedForTest, servedTable } from './testing.ts'

const options = () => ({ principal: 'p', schema: 1, signal: patience() })
const put = (id: string, year: number) => ({ op: 'put' as const, row: { id, year } })
const expired = (error: unknown) => isBlastyError(error, 'PAGE_TOKEN_EXPIRED')
const invalid = (error: unknown) => isBlastyError(error, 'INVALID_ARGUMENT')

const list = (
  { served: { table } }: ServedForTest,
  snapshots: Snapshots,
  pageToken = '',
  pageSize = 10,
  bounds?: KeyBounds,
): Promise<Page> =>
  page({ table, view: wholeTable }, { pageSize, pageToken, minToken: undefined, bounds }, snapshots, callContext())

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

const forged = (token: string, change: object) =>
  Buffer.from(JSON.stringify({ ...JSON.parse(String(Buffer.from(token, 'base64url'))), ...change })).toString(
    'base64url',
  )

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
    forged(nextPageToken, { after: 'AAEC' }),
    forged(nextPageToken, { after: '' }),
    forged(nextPageToken, { start: 5 }),
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

test('a listing that has expired says behind which key to go on, and goes on there', async () => {
  const served = await servedTable()
  const { table } = served.served
  await table.writer.write(
    Array.from({ length: 20 }, (_, i) => put(`k${10 + i}`, 1)),
    options(),
  )
  const { nextPageToken } = await list(served, new Snapshots())
  const error: unknown = await list(served, new Snapshots(), nextPageToken).catch(error => error)
  assert.ok(isBlastyError(error, 'PAGE_TOKEN_EXPIRED'))
  assert.equal(error.details.after, '{"id":"k19"}')
  const after = table.schemas.codec.keyPrefix(JSON.parse(String(error.details.after)), 'after')
  const { rows, nextPageToken: end } = await list(served, new Snapshots(), '', 10, { after })
  assert.deepEqual(
    rows.map(row => row.row(table.schemas.codec).id),
    Array.from({ length: 10 }, (_, i) => `k${20 + i}`),
  )
  assert.equal(end, '')
  await served.on.close()
})

test('a range is listed in pages of its own, with the range repeated or left out, and never with another', async () => {
  const served = await servedTable()
  const { table } = served.served
  const ids = ['a', 'ab', 'ab1', 'ab2', 'ab3', 'abä', 'ac', 'b']
  await table.writer.write(
    ids.map(id => put(id, 1)),
    options(),
  )
  const snapshots = new Snapshots()
  const all = async (bounds: KeyBounds, repeat: boolean) => {
    const found: unknown[] = []
    let token = ''
    do {
      const { rows, nextPageToken } = await list(
        served,
        snapshots,
        token,
        2,
        token === '' || repeat ? bounds : undefined,
      )
      found.push(...rows.map(row => row.row(table.schemas.codec).id))
      token = nextPageToken
    } while (token !== '')
    return found
  }
  for (const repeat of [false, true]) {
    assert.deepEqual(await all({ startsWith: 'ab' }, repeat), ['ab', 'ab1', 'ab2', 'ab3', 'abä'])
    assert.deepEqual(await all({ prefix: { id: 'ab' } }, repeat), ['ab'])
    assert.deepEqual(await all({ from: { id: 'ab' }, until: { id: 'ac' } }, repeat), ['ab', 'ab1', 'ab2', 'ab3', 'abä'])
    assert.deepEqual(await all({ after: { id: 'ab3' } }, repeat), ['abä', 'ac', 'b'])
    assert.deepEqual(await all({ from: { id: 'c' } }, repeat), [])
    assert.deepEqual(await all({ from: { id: 'b' }, until: { id: 'a' } }, repeat), [])
  }
  const { nextPageToken } = await list(served, snapshots, '', 2, { startsWith: 'ab' })
  await assert.rejects(list(served, snapshots, nextPageToken, 2, { startsWith: 'a' }), invalid)
  await assert.rejects(list(served, snapshots, nextPageToken, 2, { from: { id: 'b' }, until: { id: 'a' } }), invalid)
  snapshots.close()
  await served.on.close()
})

test('many keys are read at one revision, missing ones are told, and too much for one answer is refused', async () => {
  const served = await servedTable()
  const { table } = served.served
  const { encodeKey, codec } = table.schemas
  await table.writer.write([put('a', 1), put('b', 2)], options())
  const title = 'x'.repeat(900_000)
  const { revision } = await table.writer.write([{ op: 'put', row: { id: 'big', title } }], options())
  const { uid: tableUid, epoch } = table.descriptor
  const minToken = { tables: [{ tableUid, epoch, revision: BigInt(revision) }] }
  const keys = (...ids: string[]) => ids.map(id => encodeKey({ id }))
  const { rows } = await rowsAt({ table, view: wholeTable }, keys('b', 'none', 'a', 'b'), minToken, callContext())
  assert.deepEqual(
    rows.map(row => row?.row(codec).year),
    [2, undefined, 1, 2],
  )
  const many = keys(...Array.from({ length: 40 }, () => 'big'))
  await assert.rejects(rowsAt({ table, view: wholeTable }, many, minToken, callContext()), error =>
    isBlastyError(error, 'BATCH_TOO_LARGE'),
  )
  await served.on.close()
})
