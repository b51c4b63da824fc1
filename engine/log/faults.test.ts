/** Writers whose requests and answers get lost, and batches that a dying server left torn. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsMsg } from '@nats-io/jetstream'
import { headers } from '@nats-io/nats-core'
import type { Streams } from '../../backends/streams/connect.ts'
import { publish } from '../../backends/streams/publish.ts'
import { isBlastyError } from '../../base/errors.ts'
import { eventSchema, filmSchema, patience, testLog } from '../testing.ts'
import { faultyStreams, type PublishFault } from '../testing-faults.ts'
import { follow } from './follower.ts'
import { batchFate, type ChangeLog, changeLog, lastRecord, readableEnd } from './log.ts'
import type { LogBatch } from './record.ts'
import { logWriter } from './writer.ts'

const options = (mutationId?: string) => ({
  principal: 'p',
  schema: 1,
  signal: patience(),
  ...(mutationId === undefined ? {} : { mutationId }),
})
const put = (id: string, year = 0) => ({ op: 'put' as const, row: { id, year } })

async function read(log: ChangeLog, to: number): Promise<LogBatch[]> {
  const batches: LogBatch[] = []
  for await (const batch of follow(log, { after: 0, signal: patience() })) {
    batches.push(batch)
    if (batch.revision >= to) return batches
  }
  throw new Error('ended early')
}

for (const fault of ['unsent', 'unanswered', 'late'] satisfies PublishFault[]) {
  test(`a write with a mutation id is stored once when its request is ${fault}, as a single row, a batch or an append`, async () => {
    for (const shape of ['row', 'batch', 'append'] as const) {
      const on = await testLog(shape === 'append' ? eventSchema : filmSchema)
      const faulty = faultyStreams(on.streams, on.log.stream, 2, fault)
      const writer = logWriter(changeLog(on.log, faulty.streams), {
        encodeKey: on.schemas.encodeKey,
        lookup: async () => undefined,
      })
      const write = (id: string) =>
        shape === 'append'
          ? writer.append([{ n: id }, { n: `${id}0` }], options(id))
          : writer.write(shape === 'row' ? [put(id)] : [put(id), put(`${id}0`), put(`${id}1`)], options(id))
      for (const id of ['1', '2', '3']) await write(id)
      const again = await write('2')
      assert.equal(again.replayed, true)
      const { revision } = await write('4')
      const rows = (await read(on.log, revision))
        .flatMap(batch => batch.records)
        .filter(({ operation }) => operation !== 'mark')
      const bodies = rows.map(({ body }) => Buffer.from(body).toString())
      assert.equal(new Set(bodies).size, bodies.length, 'nothing twice')
      assert.equal(bodies.length, shape === 'batch' ? 12 : 4)
      assert.ok(faulty.requests() > 4)
      await on.close()
    }
  })
}

test('without a mutation id a lost answer is said to be unknown, and not tried again', async () => {
  const on = await testLog(filmSchema)
  const faulty = faultyStreams(on.streams, on.log.stream, 1, 'unanswered')
  const writer = logWriter(changeLog(on.log, faulty.streams), {
    encodeKey: on.schemas.encodeKey,
    lookup: async () => undefined,
  })
  await assert.rejects(writer.write([put('a')], options()), error => isBlastyError(error, 'OUTCOME_UNKNOWN'))
  assert.equal(faulty.requests(), 1)
  assert.equal((await read(on.log, 1)).length, 1)
  await on.close()
})

test('what fails after an unanswered attempt is not said to be refused: the attempt may still arrive', async () => {
  const on = await testLog(filmSchema)
  const faulty = faultyStreams(on.streams, on.log.stream, 1, 'late')
  const writer = logWriter(changeLog(on.log, faulty.streams), {
    encodeKey: on.schemas.encodeKey,
    lookup: async () => undefined,
  })
  await on.streams.admin.streams.update(on.log.stream, { max_bytes: 1 })
  await assert.rejects(writer.write([put('a')], options('id')), error => isBlastyError(error, 'OUTCOME_UNKNOWN'))
  await on.close()
})

test('a message that the client will not send is refused at once, with and without a mutation id', async () => {
  const on = await testLog(filmSchema)
  const data = Buffer.alloc(2 * 1024 * 1024)
  const outcome = await publish(on.streams.connection, [{ subject: on.log.subjects.rows, data }], 5000)
  assert.equal(outcome.kind, 'refused')
  await on.close()
})

test('writes to a log that is gone hear that it is lost, those that wait behind others too', async () => {
  const on = await testLog(filmSchema)
  const { connection } = on.streams
  const requests: string[] = []
  const counted = new Proxy(connection, {
    get(target, name) {
      if (name === 'request')
        return (...args: Parameters<typeof connection.request>) => {
          requests.push(args[0])
          return connection.request(...args)
        }
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const writer = logWriter(changeLog(on.log, { ...on.streams, connection: counted }), {
    encodeKey: on.schemas.encodeKey,
    lookup: async () => undefined,
  })
  await writer.write([put('kept')], options())
  await on.streams.admin.streams.delete(on.log.stream)
  requests.length = 0
  const lost = (write: Promise<unknown>) => assert.rejects(write, { code: 'LOG_LOST' })
  // Two groups are under way at once, of one write each, and the others share batches behind them.
  await Promise.all(Array.from({ length: 1200 }, (_, i) => lost(writer.write([put(`${i}`)], options()))))
  await lost(
    writer.write(
      [put('conditional')].map(change => ({ ...change, condition: { kind: 'absent' } })),
      options(),
    ),
  )
  const sent = requests.filter(subject => subject.startsWith(on.log.stream)).length
  assert.ok(sent <= 2 * 8 + 4, `${sent} attempts`)
  await on.close()
})

/** Shows the messages of some sequences as the head of a batch that was never finished. */
function torn(streams: Streams, sequences: ReadonlySet<number>): Streams {
  const placed = (seq: number) => {
    const found = headers()
    found.set('Nats-Batch-Id', 'torn')
    found.set('Nats-Batch-Sequence', String(seq - Math.min(...sequences) + 1))
    return found
  }
  const merged = <H extends { keys: () => string[]; get: (name: string) => string }>(
    seq: number,
    from: H | undefined,
  ) => {
    const all = placed(seq)
    for (const name of from?.keys() ?? []) if (!name.startsWith('Nats-Batch')) all.set(name, from?.get(name) ?? '')
    return all
  }
  const showing = <T extends object>(target: T, changed: Partial<T>): T =>
    new Proxy(target, {
      get(on, name) {
        if (Object.hasOwn(changed, name)) return Reflect.get(changed, name)
        const value: unknown = Reflect.get(on, name, on)
        return typeof value === 'function' ? value.bind(on) : value
      },
    })
  const { client, admin } = streams
  const message = (one: JsMsg): JsMsg =>
    sequences.has(one.seq) ? showing(one, { headers: merged(one.seq, one.headers) }) : one
  return {
    ...streams,
    admin: showing(admin, {
      streams: showing(admin.streams, {
        getMessage: async (stream, query) => {
          const found = await admin.streams.getMessage(stream, query)
          return found && sequences.has(found.seq) ? showing(found, { header: merged(found.seq, found.header) }) : found
        },
      }),
    }),
    client: showing(client, {
      consumers: showing(client.consumers, {
        get: async (...args) => {
          const consumer = await client.consumers.get(...args)
          return showing(consumer, {
            consume: async (...how) => {
              const messages = await consumer.consume(...how)
              const iterate = async function* () {
                for await (const one of messages) yield message(one)
              }
              return new Proxy(messages, {
                get(target, name) {
                  if (name === Symbol.asyncIterator) return iterate
                  const value: unknown = Reflect.get(target, name, target)
                  return typeof value === 'function' ? value.bind(target) : value
                },
              })
            },
          })
        },
      }),
    }),
  }
}

test('the head of a batch that a dying server left is told to nobody, and no condition counts it', async () => {
  const on = await testLog(filmSchema)
  const plain = logWriter(on.log, { encodeKey: on.schemas.encodeKey, lookup: async () => undefined })
  const kept = await plain.write([put('kept', 1)], options())
  // Stored one by one, and shown as two rows of one batch without an end.
  await plain.write([put('kept', 2)], options())
  await plain.write([put('new', 2)], options())
  const log = changeLog(on.log, torn(on.streams, new Set([2, 3])))

  assert.equal(await readableEnd(log), 1, 'a reader waits for nothing that cannot come')
  const record = await lastRecord(log, log.subjects.key(on.schemas.encodeKey({ id: 'new' })))
  assert.ok(record)
  assert.equal(await batchFate(log, record), 'open')

  const asked: number[] = []
  const lookup = async (key: Buffer, minRevision: number) => {
    asked.push(minRevision)
    return key.equals(on.schemas.encodeKey({ id: 'kept' })) ? kept.first : undefined
  }
  const writer = logWriter(log, { encodeKey: on.schemas.encodeKey, lookup })
  const expect = (revision: number) => ({ ...put('kept', 3), condition: { kind: 'revision' as const, revision } })
  await assert.rejects(writer.write([expect(777)], options()), error => isBlastyError(error, 'REVISION_CONFLICT'))
  await writer.write([expect(kept.first)], options())
  const { revision } = await writer.write([{ ...put('new', 3), condition: { kind: 'absent' } }], options())
  assert.deepEqual([...new Set(asked)], [2, 3])
  assert.equal(await batchFate(log, record), 'torn')

  const rows = (await read(log, revision))
    .flatMap(batch => batch.records)
    .filter(({ operation }) => operation === 'put')
  const shown = rows.map(({ body }) => JSON.parse(Buffer.from(body).toString()))
  assert.deepEqual(shown, [
    { id: 'kept', year: 1 },
    { id: 'kept', year: 3 },
    { id: 'new', year: 3 },
  ])
  await on.close()
})
