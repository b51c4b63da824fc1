/** Erasing through the facade: what is refused, who asks again, and what is told of it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { isBlastyError } from '../../base/errors.ts'
import { testBucket } from '../../engine/blobs/testing.ts'
import { newProof, withStore, writeProof } from '../../engine/erase/proof.ts'
import { pendingErasures } from '../../engine/log/erasures.ts'
import { filmSchema } from '../../engine/testing.ts'
import { GetErasureRequestSchema } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { EraseRequestSchema } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { eraseRows, getErasure } from './erase.ts'
import { callContext, servedTable } from './testing.ts'

const table = { namespace: 'test', name: 'films' }
const request = (erasureId: string, ...ids: string[]) =>
  create(EraseRequestSchema, { table, erasureId, keysJson: ids.map(id => JSON.stringify({ id })) })
const asked = (erasureId: string) => create(GetErasureRequestSchema, { table, erasureId })

test('an erasure is told of from the moment it is asked for until long after it is done', async () => {
  const bucket = await testBucket()
  const { scope, served, on } = await servedTable(filmSchema, bucket)
  try {
    const { log, lake, schemas } = served.table
    await assert.rejects(getErasure(scope, asked('e1'), callContext()), error =>
      isBlastyError(error, 'ERASURE_NOT_FOUND'),
    )
    const first = await eraseRows(scope, request('e1', 'a', 'b'), callContext())
    assert.equal(first.replayed, false)
    const again = await eraseRows(scope, request('e1', 'a', 'b'), callContext())
    assert.deepEqual(again, { ...first, replayed: true })
    assert.deepEqual((await getErasure(scope, asked('e1'), callContext())).stores, [])

    const [pending] = await pendingErasures(log)
    assert.ok(pending)
    const done = { state: 'Done', looked: 'everything', removed: 2, time: '2026-01-01T00:00:00.000Z' } as const
    const waiting = { state: 'Waiting', reason: 'a day', until: '2026-01-02T00:00:00.000Z' } as const
    await writeProof(lake, withStore(withStore(newProof(pending, 1), 'log', done), 'blobs', waiting))
    const told = await getErasure(scope, asked('e1'), callContext())
    assert.deepEqual(
      told.stores.map(store => [store.name, store.done]),
      [
        ['log', true],
        ['blobs', false],
      ],
    )
    assert.equal(told.keyHashes.length, 2)
    // By the proof, whatever the log still knows.
    await on.on.streams.admin.streams.purge(log.stream)
    assert.deepEqual(await eraseRows(scope, request('e1', 'a', 'b'), callContext()), { ...first, replayed: true })
    await assert.rejects(eraseRows(scope, request('e1', 'a'), callContext()), error =>
      isBlastyError(error, 'MUTATION_ID_REUSED'),
    )
    assert.ok(
      !JSON.stringify(told, (_, value) => (typeof value === 'bigint' ? String(value) : value)).includes(
        schemas.encodeKey({ id: 'a' }).toString('base64url'),
      ),
    )
  } finally {
    await on.close()
    await bucket.close()
  }
})

test('no keys, too many, one twice, an id that is none and a Table without a key are refused, and nothing is written', async () => {
  const bucket = await testBucket()
  const keyed = await servedTable(filmSchema, bucket)
  const append = await servedTable('append', bucket)
  try {
    const many = Array.from({ length: 101 }, (_, n) => String(n))
    for (const bad of [
      request('e'),
      request('e', ...many),
      request('e', 'a', 'a'),
      request('', 'a'),
      request('a.b', 'a'),
    ])
      await assert.rejects(eraseRows(keyed.scope, bad, callContext()), error =>
        isBlastyError(error, 'INVALID_ARGUMENT'),
      )
    await assert.rejects(eraseRows(append.scope, request('e', 'a'), callContext()), error =>
      isBlastyError(error, 'UNSUPPORTED'),
    )
    assert.deepEqual(await pendingErasures(keyed.served.table.log), [])
  } finally {
    await keyed.on.close()
    await append.on.close()
    await bucket.close()
  }
})
