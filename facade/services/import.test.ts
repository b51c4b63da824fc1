/** Imports: chunks under way together, rows in their order, and what becomes of the rest when one is refused. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { isBlastyError } from '../../base/errors.ts'
import { follow } from '../../engine/log/follower.ts'
import { logState } from '../../engine/log/log.ts'
import { patience } from '../../engine/testing.ts'
import { type ImportRequest, ImportRequestSchema } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { mutationService } from './mutation.ts'
import { callContext, requests, type ServedForTest, servedTable } from './testing.ts'

const searchable = async () => true
const open = (importId: string) =>
  create(ImportRequestSchema, {
    message: { case: 'open', value: { table: { namespace: 'test', name: 'films' }, importId } },
  })
const chunk = (number: number, rows: readonly object[]) =>
  create(ImportRequestSchema, {
    message: { case: 'chunk', value: { number: BigInt(number), rowsJson: rows.map(row => JSON.stringify(row)) } },
  })
const films = (from: number, count: number, year = 0) =>
  Array.from({ length: count }, (_, i) => ({ id: `k${from + i}`, year }))

type Told = {
  readonly acks: number[]
  readonly replayed: number[]
  readonly rows: number | undefined
  readonly error: unknown
}

/** Sends everything at once and hears the import out. */
async function run({ scope }: Pick<ServedForTest, 'scope'>, messages: readonly ImportRequest[]): Promise<Told> {
  const incoming = requests<ImportRequest>()
  incoming.send(...messages)
  incoming.end()
  const told = {
    acks: [] as number[],
    replayed: [] as number[],
    rows: undefined as number | undefined,
    error: undefined as unknown,
  }
  try {
    for await (const { message } of mutationService(scope, searchable).import(incoming.stream, callContext())) {
      if (message?.case === 'ack') {
        told.acks.push(Number(message.value.number))
        if (message.value.replayed) told.replayed.push(Number(message.value.number))
      }
      if (message?.case === 'summary') told.rows = Number(message.value.rows)
    }
  } catch (error) {
    told.error = error
  }
  return told
}

async function rowsByKey({ served: { table } }: ServedForTest): Promise<Map<string, unknown>> {
  const { last } = await logState(table.log)
  const replica = await table.reached(last, 'rows', patience())
  const snapshot = replica.snapshot()
  const rows = [...snapshot.rows()].map(({ row }) => row.row(table.schemas.codec))
  snapshot.close()
  return new Map(rows.map(({ id, year }) => [String(id), year]))
}

test('chunks that hold the same rows are stored in their order, however many are under way', async () => {
  const served = await servedTable()
  const chunks = Array.from({ length: 60 }, (_, i) => chunk(i + 1, films((i * 3) % 10, 5, i + 1)))
  const { acks, rows, error } = await run(served, [open('a'), ...chunks])
  assert.equal(error, undefined)
  assert.deepEqual(
    acks,
    chunks.map((_, i) => i + 1),
  )
  assert.equal(rows, 300)
  const expected = new Map<string, number>()
  for (let i = 0; i < 60; i++) for (const { id } of films((i * 3) % 10, 5)) expected.set(id, i + 1)
  assert.deepEqual(await rowsByKey(served), expected)
  await served.on.close()
})

test('an import that is sent again under its name stores only what is missing', async () => {
  for (const kind of ['keyed', 'append'] as const) {
    const served = await servedTable(kind)
    const rows = (from: number) =>
      kind === 'keyed' ? films(from, 20) : films(from, 20).map(({ id }) => ({ text: id }))
    const chunks = [1, 2, 3, 4, 5].map(number => chunk(number, rows(number * 100)))
    await run(served, [open('same'), ...chunks.slice(0, 3)])
    const { last } = await logState(served.served.table.log)
    const again = await run(served, [open('same'), ...chunks])
    assert.deepEqual([again.replayed, again.acks.length, again.rows], [[1, 2, 3], 5, 100])
    const end = (await logState(served.served.table.log)).last
    assert.equal(end - last, kind === 'keyed' ? 42 : 4)
    const changed = await run(served, [open('same'), chunk(1, rows(900))])
    assert.ok(isBlastyError(changed.error, 'MUTATION_ID_REUSED'))
    assert.equal((await logState(served.served.table.log)).last, end)
    await served.on.close()
  }
})

test('a chunk that is refused ends the import, and the rows behind it that wait for it are not stored', async () => {
  const served = await servedTable()
  const bad = chunk(3, [{ id: 'k1', year: 'not a year' }])
  const { acks, error } = await run(served, [
    open('a'),
    chunk(1, films(0, 3, 1)),
    chunk(2, films(3, 3, 2)),
    bad,
    chunk(4, films(0, 3, 4)),
  ])
  assert.ok(isBlastyError(error, 'INVALID_ROW'), String(error))
  assert.match(error.message, /chunk\[3\]\.rows_json\[0\]|row/)
  assert.ok(acks.length <= 2)
  assert.ok(![...(await rowsByKey(served)).values()].includes(4))
  const twice = await run(served, [open('b'), chunk(1, [...films(0, 1), ...films(0, 1)]), chunk(2, films(0, 1, 7))])
  assert.ok(isBlastyError(twice.error, 'INVALID_ARGUMENT'))
  assert.ok(![...(await rowsByKey(served)).values()].includes(7))
  await served.on.close()
})

test('numbers that do not follow, too many rows, none at all, or no name: each is refused', async () => {
  const served = await servedTable()
  const cases: readonly [readonly ImportRequest[], string][] = [
    [[chunk(1, films(0, 1))], 'INVALID_ARGUMENT'],
    [[open('')], 'INVALID_ARGUMENT'],
    [[open('x'.repeat(101))], 'INVALID_ARGUMENT'],
    [[open('a'), chunk(2, films(0, 1))], 'INVALID_ARGUMENT'],
    [[open('a'), open('b')], 'INVALID_ARGUMENT'],
    [[open('a'), chunk(1, [])], 'INVALID_ARGUMENT'],
    [[open('a'), chunk(1, films(0, 999))], 'BATCH_TOO_LARGE'],
  ]
  for (const [messages, code] of cases) {
    const { error } = await run(served, messages)
    assert.ok(isBlastyError(error), String(error))
    assert.equal(error.code, code)
  }
  assert.equal((await logState(served.served.table.log)).last, 0)
  assert.deepEqual((await run(served, [open('a')])).rows, 0)
  await served.on.close()
})

test('a client that sends faster than the log takes is not read ahead of, and one that leaves takes nobody down', async () => {
  const served = await servedTable()
  const gate = Promise.withResolvers<void>()
  const slow = Promise.withResolvers<void>()
  const { table } = served.served
  const { write } = table.writer
  let writing = 0
  Object.assign(table.writer, {
    write: async (...args: Parameters<typeof write>) => {
      if (++writing === 8) slow.resolve()
      await gate.promise
      return write(...args)
    },
  })
  const incoming = requests<ImportRequest>()
  incoming.send(open('a'), ...Array.from({ length: 30 }, (_, i) => chunk(i + 1, films(i * 10, 2))))
  const messages = mutationService(served.scope, searchable)
    .import(incoming.stream, callContext())
    [Symbol.asyncIterator]()
  await messages.next()
  const acknowledged = messages.next()
  await slow.promise
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(writing, 8)
  assert.ok(incoming.taken() <= 10, `${incoming.taken()} requests were read`)
  gate.resolve()
  await acknowledged
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', note)
  await messages.return?.(undefined)
  incoming.fail(new Error('the client left'))
  await new Promise(resolve => setTimeout(resolve, 20))
  process.off('unhandledRejection', note)
  assert.deepEqual(unhandled, [])
  await served.on.close()
})

test('a policy that is withdrawn ends an import that is under way', async () => {
  const served = await servedTable()
  const incoming = requests<ImportRequest>()
  incoming.send(open('a'), chunk(1, films(0, 1)))
  const messages = mutationService(served.scope, searchable)
    .import(incoming.stream, callContext())
    [Symbol.asyncIterator]()
  await messages.next()
  const { value } = await messages.next()
  assert.equal(value?.message?.case, 'ack')
  served.forbid()
  incoming.send(chunk(2, films(1, 1)))
  await assert.rejects(Promise.resolve(messages.next()), error => isBlastyError(error, 'TABLE_NOT_FOUND'))
  assert.deepEqual([...(await rowsByKey(served)).keys()], ['k0'])
  await served.on.close()
})

test('appended rows are there once each, in the order of their chunks, and may not ask for a condition', async () => {
  const served = await servedTable('append')
  const chunks = Array.from({ length: 10 }, (_, i) => chunk(i + 1, [{ n: String(i * 2) }, { n: String(i * 2 + 1) }]))
  await run(served, [open('a'), ...chunks])
  const seen: number[] = []
  const { table } = served.served
  const { last } = await logState(table.log)
  for await (const { records, revision } of follow(table.log, { after: 0, signal: patience() })) {
    for (const { operation, body } of records) {
      if (operation === 'append')
        seen.push(...(JSON.parse(Buffer.from(body).toString()) as { n: string }[]).map(({ n }) => Number(n)))
    }
    if (revision >= last) break
  }
  assert.deepEqual(
    seen.toSorted((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i),
  )
  await served.on.close()
})
