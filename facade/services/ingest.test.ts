/** Ingest: lines become rows once each, whatever the cuts; a line at fault is named and ends it; nothing is read ahead. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { isBlastyError } from '../../base/errors.ts'
import { follow } from '../../engine/log/follower.ts'
import { logState } from '../../engine/log/log.ts'
import { eventSchema, patience } from '../../engine/testing.ts'
import {
  type IngestOpenSchema,
  type IngestRequest,
  IngestRequestSchema,
} from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { mutationService } from './mutation.ts'
import { callContext, requests, type ServedForTest, servedTable } from './testing.ts'

const searchable = async () => true
type Format = NonNullable<MessageInitShape<typeof IngestOpenSchema>['format']>
const json: Format = { case: 'json', value: {} }
const text = (column: string, constants?: object): Format => ({
  case: 'text',
  value: { column, constantsJson: constants === undefined ? '' : JSON.stringify(constants) },
})
const open = (importId: string, format: Format = json) =>
  create(IngestRequestSchema, {
    message: { case: 'open', value: { table: { namespace: 'test', name: 'films' }, importId, format } },
  })
const chunk = (number: number, data: string | Uint8Array) =>
  create(IngestRequestSchema, {
    message: { case: 'chunk', value: { number: BigInt(number), data: Buffer.from(data) } },
  })
/** A whole stream of bytes, cut after every `size`. */
const cut = (bytes: Buffer, size: number) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    chunk(i + 1, bytes.subarray(i * size, (i + 1) * size)),
  )
const events = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `${JSON.stringify({ n: String(from + i), text: `ä ${from + i}` })}\n`).join(
    '',
  )

type Told = {
  acks: [number: number, rows: number][]
  replayed: number[]
  summary: unknown
  revision: bigint
  error: unknown
}

async function run({ scope }: Pick<ServedForTest, 'scope'>, messages: readonly IngestRequest[]): Promise<Told> {
  const incoming = requests<IngestRequest>()
  incoming.send(...messages)
  incoming.end()
  const told: Told = { acks: [], replayed: [], summary: undefined, revision: 0n, error: undefined }
  try {
    for await (const { message } of mutationService(scope, searchable).ingest(incoming.stream, callContext())) {
      if (message?.case === 'ack') {
        const { number, rows, replayed } = message.value
        told.acks.push([Number(number), Number(rows)])
        if (replayed) told.replayed.push(Number(number))
      }
      if (message?.case === 'summary') {
        const { token, rows, chunks, emptyLines } = message.value
        told.summary = { rows: Number(rows), chunks: Number(chunks), empty: Number(emptyLines) }
        told.revision = token?.tables?.[0]?.revision ?? 0n
      }
    }
  } catch (error) {
    told.error = error
  }
  return told
}

/** What the log holds, in its order. */
async function rowsOf({ served: { table } }: ServedForTest): Promise<unknown[]> {
  const { last } = await logState(table.log)
  const rows: unknown[] = []
  if (last === 0) return rows
  for await (const { records, revision } of follow(table.log, { after: 0, signal: patience() })) {
    for (const { operation, body } of records) {
      if (operation === 'append') rows.push(...JSON.parse(Buffer.from(body).toString()))
    }
    if (revision >= last) break
  }
  return rows
}

const byNumber = (rows: unknown[]) => (rows as { n: string }[]).toSorted((a, b) => Number(a.n) - Number(b.n))

test('lines cut anywhere, within characters too, are rows once each, and the last needs no newline', async () => {
  const served = await servedTable('append')
  const bytes = Buffer.from(`\ufeff${events(0, 100)}\r\n   \n${events(100, 100)}{"text":"end","n":200}`)
  const { acks, summary, revision, error } = await run(served, [open('a'), ...cut(bytes, 97)])
  assert.equal(error, undefined)
  const chunks = Math.ceil(bytes.length / 97)
  assert.deepEqual(summary, { rows: 201, chunks: chunks + 1, empty: 2 })
  assert.deepEqual(acks.at(-1), [chunks + 1, 1])
  assert.deepEqual(
    byNumber(await rowsOf(served)),
    Array.from({ length: 201 }, (_, i) => (i === 200 ? { n: '200', text: 'end' } : { n: String(i), text: `ä ${i}` })),
  )
  assert.equal(Number(revision), (await logState(served.served.table.log)).last)
  await served.on.close()
})

test('lines of text are rows of one column beside constants', async () => {
  const served = await servedTable('append')
  const lines = 'GET "/a"\t\x1b[1m200\r\n\n💡 last'
  const { summary } = await run(served, [
    open('a', text('text', { n: 7, at: '2026-01-31T12:00:00Z' })),
    chunk(1, lines),
  ])
  assert.deepEqual(summary, { rows: 2, chunks: 2, empty: 1 })
  const row = (line: string) => ({ at: '2026-01-31T12:00:00.000000Z', n: '7', text: line })
  assert.deepEqual(await rowsOf(served), [row('GET "/a"\t\x1b[1m200'), row('💡 last')])
  await served.on.close()
})

test('an ingest that is sent again stores only what is missing, and other bytes under its name are refused', async () => {
  const served = await servedTable('append')
  const all = [1, 2, 3, 4, 5].map(number => chunk(number, events(number * 100, 50)))
  await run(served, [open('same'), ...all.slice(0, 3)])
  const again = await run(served, [open('same'), ...all])
  assert.deepEqual([again.replayed, again.summary], [[1, 2, 3], { rows: 250, chunks: 5, empty: 0 }])
  assert.equal((await rowsOf(served)).length, 250)
  const { last } = await logState(served.served.table.log)
  const changed = await run(served, [open('same'), chunk(1, events(900, 50))])
  assert.ok(isBlastyError(changed.error, 'MUTATION_ID_REUSED'))
  assert.equal((await logState(served.served.table.log)).last, last)
  await served.on.close()
})

test('a line that is no row is named by its number, and nothing of its chunk or behind it is stored', async () => {
  for (const [bad, code] of [
    ['{"n":"x"}', 'INVALID_ROW'],
    ['{"n":1', 'INVALID_ARGUMENT'],
    ['[1]', 'INVALID_ROW'],
    [`{"text":"${'x'.repeat(1_000_000)}"}`, 'ROW_TOO_LARGE'],
    [Buffer.from('{"text":"\xff"}', 'latin1'), 'INVALID_ARGUMENT'],
  ] as const) {
    const served = await servedTable('append')
    const chunkWithIt = Buffer.concat([Buffer.from(events(10, 5)), Buffer.from(bad), Buffer.from(`\n${events(20, 5)}`)])
    const { error } = await run(served, [
      open('a'),
      chunk(1, events(0, 10)),
      chunk(2, chunkWithIt),
      chunk(3, events(30, 5)),
    ])
    assert.ok(isBlastyError(error, code), String(error))
    assert.match(error.message, /lines\[16\]/)
    const stored = (await rowsOf(served)) as { n: string }[]
    assert.ok(stored.every(({ n }) => Number(n) < 10))
    await served.on.close()
  }
})

test('a keyed Table, a missing format, a column that takes no text, wrong numbers: each is refused', async () => {
  const [append, keyed] = [await servedTable('append'), await servedTable('keyed')]
  const cases: readonly [ServedForTest, readonly IngestRequest[], string, RegExp][] = [
    [keyed, [open('a')], 'INVALID_ARGUMENT', /open\.table.*primary key/],
    [append, [open('')], 'INVALID_ARGUMENT', /import_id/],
    [append, [open('a', { case: undefined })], 'INVALID_ARGUMENT', /open\.format/],
    [append, [open('a', text('n'))], 'INVALID_ARGUMENT', /open\.text\.column/],
    [append, [open('a', text('text', { n: 'x' }))], 'INVALID_ROW', /constants_json\.n/],
    [append, [chunk(1, '')], 'INVALID_ARGUMENT', /first message/],
    [append, [open('a'), chunk(2, '')], 'INVALID_ARGUMENT', /chunk 1 was expected/],
    [append, [open('a'), open('a')], 'INVALID_ARGUMENT', /only chunks/],
  ]
  for (const [served, messages, code, message] of cases) {
    const { error } = await run(served, messages)
    assert.ok(isBlastyError(error), String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
  }
  const empty = await run(append, [open('a'), chunk(1, ''), chunk(2, '\n\n')])
  assert.deepEqual(
    [empty.error, empty.acks, empty.revision],
    [
      undefined,
      [
        [1, 0],
        [2, 0],
      ],
      0n,
    ],
  )
  assert.equal((await logState(append.served.table.log)).last, 0)
  await append.on.close()
  await keyed.on.close()
})

test('a column that is added while lines flow takes them from then on', async () => {
  const served = await servedTable('append')
  const incoming = requests<IngestRequest>()
  incoming.send(open('a'), chunk(1, '{"n":1}\n'))
  const messages = mutationService(served.scope, searchable)
    .ingest(incoming.stream, callContext())
    [Symbol.asyncIterator]()
  await messages.next()
  assert.equal((await messages.next()).value?.message?.case, 'ack')
  const extra = { name: 'extra', type: 'Boolean' as const, required: false, field: 9 }
  served.served.table.schemas.adopt({ ...eventSchema, number: 2, columns: [...eventSchema.columns, extra] })
  incoming.send(chunk(2, '{"n":2,"extra":true}\n'))
  incoming.end()
  const rest = []
  for (let next = await messages.next(); !next.done; next = await messages.next()) rest.push(next.value.message?.case)
  assert.deepEqual(rest, ['ack', 'summary'])
  assert.deepEqual(await rowsOf(served), [{ n: '1' }, { n: '2', extra: true }])
  await served.on.close()
})

test('a client that sends faster than the log takes is not read ahead of, by count and by bytes', async () => {
  for (const [size, most] of [
    [40, 8],
    [6 * 1024 * 1024, 6],
  ] as const) {
    const served = await servedTable('append')
    const gate = Promise.withResolvers<void>()
    const full = Promise.withResolvers<void>()
    const { writer } = served.served.table
    let writing = 0
    Object.assign(writer, {
      appendPacked: async () => {
        if (++writing === most) full.resolve()
        await gate.promise
        return { revision: 1, first: 1, count: 1, replayed: false }
      },
    })
    const incoming = requests<IngestRequest>()
    const data = Buffer.concat(
      Array.from({ length: Math.ceil(size / 40) }, () => Buffer.from(`{"text":"${'x'.repeat(27)}"}\n`)),
    )
    incoming.send(open('a'), ...Array.from({ length: 20 }, (_, i) => chunk(i + 1, data)))
    incoming.end()
    const messages = mutationService(served.scope, searchable)
      .ingest(incoming.stream, callContext())
      [Symbol.asyncIterator]()
    await messages.next()
    const acknowledged = messages.next()
    await full.promise
    await new Promise(resolve => setImmediate(resolve))
    assert.equal(writing, most)
    assert.ok(incoming.taken() <= most + 2, `${incoming.taken()} requests were read`)
    gate.resolve()
    await acknowledged
    await messages.return?.(undefined)
    await served.on.close()
  }
})
