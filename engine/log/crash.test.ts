/** The log's server killed in the middle of writes: what was acknowledged is there once, and so is what a retry resolved. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectStreams } from '../../backends/streams/connect.ts'
import { isBlastyError } from '../../base/errors.ts'
import { startStack } from '../../devstack/stack.ts'
import { keyEncoder } from '../schema/key.ts'
import { filmSchema } from '../testing.ts'
import { follow } from './follower.ts'
import { changeLog, logState, logStreamConfig } from './log.ts'
import { logWriter } from './writer.ts'

const kills = 4
const writers = 3

test('writers that retry with their mutation id lose nothing and write nothing twice while the server is killed', () =>
  survives(1))

test('the same, while one of three servers after the other is killed', () => survives(3))

/** Writes on so many servers that hold the log, of which one is killed and started again, then the next. */
async function survives(replicas: 1 | 3): Promise<void> {
  await using stack = await startStack({ nats: replicas })
  const { servers, users } = stack.nats
  const streams = await connectStreams({ servers, ...users.worker, name: 'test' })
  const uid = randomUUID()
  const log = changeLog({ table: 'test/films', tableUid: uid, stream: `test_${uid}`, epoch: 1 }, streams)
  await streams.admin.streams.add(
    logStreamConfig({ stream: log.stream, tableUid: uid, maxBytes: 2 ** 28, replicas, epoch: 1, metadata: {} }),
  )
  const writer = logWriter(log, {
    encodeKey: keyEncoder(filmSchema),
    lookup: async () => undefined,
    publishTimeoutMillis: 1000,
  })

  let stopped = false
  const acknowledged = new Map<string, number>()
  let retried = 0
  const write = async (name: string) => {
    for (let i = 0; !stopped; i++) {
      const id = `${name}-${i}`
      const changes = [0, 1, 2].map(part => ({ op: 'put' as const, row: { id: `${id}/${part}` } }))
      for (let done = false; !done; ) {
        try {
          const { revision } = await writer.write(changes, {
            principal: 'p',
            schema: 1,
            mutationId: id,
            signal: AbortSignal.timeout(20_000),
          })
          acknowledged.set(id, revision)
          done = true
        } catch (error) {
          assert.ok(isBlastyError(error, 'BACKEND_UNAVAILABLE', 'OUTCOME_UNKNOWN'), String(error))
          retried++
        }
      }
    }
  }
  const writing = Promise.all(Array.from({ length: writers }, (_, n) => write(`w${n}`)))
  // Where a writer gives up, nobody waits for more.
  writing.catch(() => {
    stopped = true
  })
  for (let n = 0; n < kills; n++) {
    const before = acknowledged.size
    while (!stopped && acknowledged.size < before + 30) await sleep(5)
    const server = stack.nats.each[n % replicas]
    await server?.kill()
    const killed = acknowledged.size
    // With two others the log takes writes without it.
    while (!stopped && replicas > 1 && acknowledged.size < killed + 10) await sleep(5)
    await server?.start()
  }
  stopped = true
  await writing

  const { last } = await logState(log)
  const seen = new Map<string, number>()
  const markers = new Map<string, number>()
  for await (const batch of follow(log, { after: 0, signal: AbortSignal.timeout(20_000) })) {
    const rows = batch.records.filter(({ operation }) => operation === 'put')
    assert.equal(rows.length, 3, 'a batch is whole')
    for (const { body } of rows) {
      const { id } = JSON.parse(Buffer.from(body).toString()) as { id: string }
      seen.set(id, (seen.get(id) ?? 0) + 1)
      markers.set(id.split('/')[0] ?? '', batch.revision)
    }
    if (batch.revision >= last) break
  }
  for (const [id, revision] of acknowledged) {
    for (const part of [0, 1, 2]) assert.equal(seen.get(`${id}/${part}`), 1, `${id}/${part}`)
    assert.equal(markers.get(id), revision, 'it lies where the answer said')
  }
  assert.ok(
    [...seen.values()].every(times => times === 1),
    'nothing is there twice',
  )
  assert.ok(acknowledged.size >= kills * 30, `${acknowledged.size} writes, ${retried} calls retried`)
  await streams.close()
}
