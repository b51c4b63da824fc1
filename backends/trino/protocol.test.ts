/** Trino's client against servers that are away, busy, or speak of something else. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { freePorts, loopback } from '../../devstack/ports.ts'
import { trino } from './client.ts'
import { trinoErrorName } from './errors.ts'
import { parseExact } from './values.ts'

test('a server that is not there is named, after no longer than the patience given', async () => {
  const [port] = await freePorts(1)
  const client = trino({ server: `http://${loopback}:${port}`, user: 'test', patienceMillis: 0 })
  await assert.rejects(client.rows('SELECT 1'), error => {
    return isBlastyError(error, 'BACKEND_UNAVAILABLE') && /ECONNREFUSED/.test(error.message)
  })
})

/** A server that gives the answers in turn, the last one for ever, and keeps what it was asked. */
async function scripted(t: TestContext, ...answers: readonly (readonly [status: number, body: unknown])[]) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const [status, body] = answers[Math.min(asked.length, answers.length - 1)] ?? [500, '']
    asked.push(`${request.method} ${request.url}`)
    if (status === 0) request.socket.destroy()
    else response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  server.listen(0, loopback)
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return {
    client: trino({ server: `http://${loopback}:${address.port}`, user: 'test', patienceMillis: 60_000 }),
    asked,
  }
}

const started = { id: 'q', nextUri: 'http://elsewhere.invalid:1/v1/next/1?slug=x' }
const finished = {
  id: 'q',
  columns: [{ name: 'n', typeSignature: { rawType: 'bigint', arguments: [] } }],
  data: [[1]],
}

test('a busy server is asked again, and always at the address it is known by', async t => {
  const { client, asked } = await scripted(t, [503, ''], [200, started], [502, ''], [0, ''], [200, finished])
  assert.deepEqual(await client.rows('SELECT 1'), [[1n]])
  const next = 'GET /v1/next/1?slug=x'
  assert.deepEqual(asked, ['POST /v1/statement', 'POST /v1/statement', next, next, next])
})

test('a query for which there are no workers yet is run again', async t => {
  const error = { errorName: 'NO_NODES_AVAILABLE', errorType: 'INTERNAL_ERROR', message: 'none' }
  const columns = finished.columns
  const { client } = await scripted(
    t,
    [200, { ...started, columns }],
    [200, { id: 'q', columns, error }],
    [200, finished],
  )
  assert.deepEqual(await client.rows('SELECT 1'), [[1n]])
})

test('a statement whose fate is unknown is not sent twice', async t => {
  const { client, asked } = await scripted(t, [0, ''], [200, finished])
  await assert.rejects(client.rows('INSERT INTO t VALUES 1'), error => isBlastyError(error, 'BACKEND_UNAVAILABLE'))
  assert.equal(asked.length, 1)
})

for (const { title, body } of [
  { title: 'a page of a proxy', body: '<html>welcome</html>' },
  { title: 'an answer without an id', body: {} },
  { title: 'a value that is not of its type', body: { ...finished, data: [['one']] } },
  { title: 'a row that is no array', body: { ...finished, data: [{}] } },
  { title: 'a type without a name', body: { ...finished, columns: [{ name: 'n', typeSignature: {} }] } },
]) {
  test(`${title} is refused`, async t => {
    const { client } = await scripted(t, [200, body])
    await assert.rejects(client.rows('SELECT 1'), error => isBlastyError(error, 'BACKEND_REFUSED'))
  })
}

for (const { type, name, code } of [
  { type: 'INTERNAL_ERROR', name: 'REMOTE_TASK_ERROR', code: 'BACKEND_UNAVAILABLE' },
  { type: 'INTERNAL_ERROR', name: 'GENERIC_INTERNAL_ERROR', code: 'BACKEND_REFUSED' },
  { type: 'EXTERNAL', name: 'DELTA_LAKE_BAD_DATA', code: 'BACKEND_REFUSED' },
  { type: 'INSUFFICIENT_RESOURCES', name: 'EXCEEDED_LOCAL_MEMORY_LIMIT', code: 'QUERY_LIMIT' },
  { type: 'USER_ERROR', name: 'DIVISION_BY_ZERO', code: 'QUERY_FAILED' },
] as const) {
  test(`${name} is ${code}`, async t => {
    const error = { errorName: name, errorType: type, message: 'it says why' }
    const { client } = await scripted(t, [200, { id: 'q', error }])
    await assert.rejects(client.rows('SELECT 1'), thrown => {
      assert.equal(trinoErrorName(thrown), name)
      return isBlastyError(thrown, code) && /it says why/.test(thrown.message)
    })
  })
}

test('a server that wants a password is refused with what it says', async t => {
  const { client } = await scripted(t, [401, 'Unauthorized'])
  await assert.rejects(client.rows('SELECT 1'), error => {
    return isBlastyError(error, 'BACKEND_REFUSED') && /401 Unauthorized/.test(error.message)
  })
})

test('a password is never sent where others may read it', () => {
  const open = () => trino({ server: 'http://trino.sql:8080', user: 'test', password: 'secret' })
  assert.throws(open, error => isBlastyError(error, 'BACKEND_REFUSED') && /https only/.test(error.message))
})

test('only whole numbers that a double cannot hold become bigints', () => {
  assert.deepEqual(parseExact('[9007199254740993, 1, 1.00000000000000000001, 1e300, "9007199254740993", -0.0]'), [
    9007199254740993n,
    1,
    1,
    1e300,
    '9007199254740993',
    -0,
  ])
})
