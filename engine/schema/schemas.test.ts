/** Waiting for a schema that a process has not met: one who gives up takes nothing from those who go on waiting. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filmSchema, patience } from '../testing.ts'
import type { TableSchema } from './schema.ts'
import { Schemas } from './schemas.ts'

type Request = {
  readonly number: number
  readonly signal: AbortSignal | undefined
  readonly answer: (schema: TableSchema) => void
  readonly fail: (error: Error) => void
}

/** Schemas from a bucket that answers when it is told to. */
function slowSchemas() {
  const requests: Request[] = []
  const schemas = new Schemas('test/films', filmSchema, (number, signal) => {
    const { promise, resolve: answer, reject: fail } = Promise.withResolvers<TableSchema>()
    requests.push({ number, signal, answer, fail })
    return promise
  })
  return { schemas, requests }
}

const numbered = (number: number): TableSchema => ({ ...filmSchema, number })

test('one of two who wait for a schema gives up with the reason of its signal, the other has the schema when it comes', async () => {
  const { schemas, requests } = slowSchemas()
  const stop = new AbortController()
  const leaving = schemas.until(stop.signal).reach(2)
  const staying = [schemas.reach(2), schemas.until(patience()).reach(2)]
  const reason = new Error('stopped')
  stop.abort(reason)
  await assert.rejects(leaving, error => error === reason)
  assert.deepEqual(
    requests.map(({ number, signal }) => [number, signal?.aborted]),
    [
      [2, true],
      [2, undefined],
      [2, false],
    ],
  )
  assert.equal(schemas.current.number, 1)
  for (const { answer } of requests.slice(1)) answer(numbered(2))
  assert.deepEqual(
    (await Promise.all(staying)).map(({ number }) => number),
    [2, 2],
  )
  // What becomes of the request that was given up is nobody's business, not even its failure.
  requests[0]?.fail(new Error('the network is gone'))
  await new Promise(setImmediate)
})

test('a schema that one has met is known to all that were made of the same, before and behind', async () => {
  const { schemas, requests } = slowSchemas()
  const stop = new AbortController()
  const cut = schemas.until(stop.signal)
  const waiting = cut.reach(2)
  requests[0]?.answer(numbered(2))
  assert.equal((await waiting).number, 2)
  assert.deepEqual([schemas.current.number, schemas.codec.schema.number], [2, 2])
  schemas.adopt(numbered(4))
  assert.deepEqual([cut.current.number, cut.until(patience()).current.number], [4, 4])
  cut.adopt(numbered(3))
  assert.equal(schemas.current.number, 4)
  stop.abort()
  assert.equal((await cut.reach(4)).number, 4, 'what is known need not be waited for')
  assert.equal(requests.length, 1)
})

test('once the signal is aborted nothing is fetched any more', async () => {
  const { schemas, requests } = slowSchemas()
  const reason = new Error('stopped')
  await assert.rejects(schemas.until(AbortSignal.abort(reason)).reach(2), error => error === reason)
  assert.equal(requests.length, 0)
})

test('a work within another ends with either', async () => {
  for (const which of [0, 1]) {
    const { schemas, requests } = slowSchemas()
    const stops = [new AbortController(), new AbortController()] as const
    const waiting = schemas.until(stops[0].signal).until(stops[1].signal).reach(2)
    const reason = new Error(`stopped by ${which}`)
    stops[which === 0 ? 0 : 1].abort(reason)
    await assert.rejects(waiting, error => error === reason)
    assert.equal(requests[0]?.signal?.aborted, true)
  }
})

test('a bucket that refuses is told to who waits, and asked again by who comes next', async () => {
  const { schemas, requests } = slowSchemas()
  const first = schemas.until(patience()).reach(2)
  requests[0]?.fail(new Error('refused'))
  await assert.rejects(first, /refused/)
  const second = schemas.until(patience()).reach(2)
  requests[1]?.answer(numbered(2))
  assert.equal((await second).number, 2)
})
