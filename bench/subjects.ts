/** `subjects`: what a streams server takes for a log of many keys, each with one row: memory, disk, restart, single reads and writes. */

import { randomUUID } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { connectStreams } from '../backends/streams/connect.ts'
import { type OutgoingMessage, publish } from '../backends/streams/publish.ts'
import { startStack } from '../devstack/stack.ts'
import { type ChangeLog, changeLog, lastRecord, logState, logStreamConfig } from '../engine/log/log.ts'
import { headersOf } from '../engine/log/record.ts'
import { keyEncoder } from '../engine/schema/key.ts'
import type { Column } from '../engine/schema/schema.ts'
import type { LoneBench, Tell } from './harness/bench.ts'
import { monotonicMillis } from './harness/clock.ts'
import { residentMegabytes } from './harness/memory.ts'
import { median, percentile } from './harness/statistics.ts'

const chunk = 100_000
const batch = 1_000
const batchesAtOnce = 4
/** Single reads and writes that are timed. */
const samples = 1_000
/** The server is given no more than this: what it holds then is the result. */
const mostMegabytes = 14 * 1024

const id: Column = { name: 'id', type: 'Int64', required: true, field: 1 }
const encodeKey = keyEncoder({ number: 1, columns: [id], retired: [], primaryKey: ['id'] })
const headers = headersOf({ schema: 1, operation: 'put', principal: 'bench' })
/** The row of a number: its message is about as small as rows come. */
const messageOf = (log: ChangeLog, number: number): OutgoingMessage => ({
  subject: log.subjects.key(encodeKey({ id: String(number) })),
  headers,
  data: Buffer.from(`{"id":"${number}","votes":"${(number * 7919) % 1_000_003}"}`),
})

export const subjects: LoneBench = async ({ n = 1_000_000 }, tell) => {
  await using stack = await startStack({ nats: 1 })
  const { nats } = stack
  await using connections = new AsyncDisposableStack()
  const megabytes = () => residentMegabytes(nats.pid ?? 0)
  const uid = randomUUID()
  const open = async () => {
    const streams = await connectStreams({ servers: nats.servers, ...nats.users.operator, name: 'bench' })
    connections.defer(streams.close)
    return changeLog({ table: 'bench/subjects', tableUid: uid, stream: `bench_${uid}`, epoch: 1 }, streams)
  }

  const before = await megabytes()
  let log = await open()
  const config = { stream: log.stream, tableUid: uid, maxBytes: 100 * 1024 ** 3, replicas: 1, epoch: 1, metadata: {} }
  await log.streams.admin.streams.add(logStreamConfig(config))
  const began = monotonicMillis()
  const filled = await fill(log, n, megabytes, tell)
  const fillSeconds = (monotonicMillis() - began) / 1000
  const rss = await megabytes()
  const { bytes } = await logState(log)
  const live = await timed(log, filled, 0)

  tell('stopping and starting the server')
  const stopping = monotonicMillis()
  await nats.stop()
  const starting = monotonicMillis()
  await nats.start()
  log = await open()
  const { last } = await logState(log)
  const restartSeconds = (monotonicMillis() - starting) / 1000
  const restartedRss = await megabytes()
  const restarted = await timed(log, filled, samples)
  const usedRss = await megabytes()
  await nats.kill()
  const killed = monotonicMillis()
  await nats.start()
  await logState(await open())
  const killedSeconds = (monotonicMillis() - killed) / 1000
  if (last !== filled + samples) throw new Error(`the log ends at ${last} after a restart, not at ${filled + samples}`)
  return {
    figures: {
      subjects: filled,
      rss_mb: rss,
      bytes_per_subject: ((rss - before) * 1024 ** 2) / filled,
      restarted_rss_mb: restartedRss,
      restarted_bytes_per_subject: ((restartedRss - before) * 1024 ** 2) / filled,
      used_rss_mb: usedRss,
      restart_seconds: restartSeconds,
      stop_seconds: (starting - stopping) / 1000,
      killed_restart_seconds: killedSeconds,
      ...named('', live),
      ...named('restarted_', restarted),
      disk_bytes: await bytesIn(join(stack.info.folder, 'nats-1')),
      log_bytes: bytes,
      fill_per_s: filled / fillSeconds,
    },
    notes: [
      `one message of about 60 bytes on each of ${filled} subjects, in atomic batches of ${batch}, synced as always`,
      `of ${samples} single reads of the last message of a subject, and as many writes that expect the last sequence of theirs, one after another; the first of them fill caches`,
      `the server alone took ${Math.round(before)} MB`,
      ...(filled < n ? [`stopped at ${mostMegabytes} MB, short of ${n}`] : []),
    ],
  }
}

/** Writes one message to each subject; returns how many there are, which is fewer when the server has grown too large. */
async function fill(log: ChangeLog, n: number, megabytes: () => Promise<number>, tell: Tell): Promise<number> {
  let next = 0
  const writeUntil = async (end: number) => {
    while (next < end) {
      const from = next
      next = Math.min(end, from + batch)
      const messages = Array.from({ length: next - from }, (_, index) => messageOf(log, from + index))
      const { kind } = await publish(log.streams.connection, messages, 60_000)
      if (kind !== 'stored') throw new Error(`a batch was answered ${kind}`)
    }
  }
  while (next < n) {
    const end = Math.min(n, next + chunk)
    await Promise.all(Array.from({ length: batchesAtOnce }, () => writeUntil(end)))
    const used = await megabytes()
    if (end % (10 * chunk) === 0 || end === n) tell(`${end} subjects, ${Math.round(used)} MB`)
    if (used > mostMegabytes) break
  }
  return next
}

type Times = { readonly get: readonly number[]; readonly put: readonly number[] }

/** Milliseconds of single reads, then of conditional writes of the keys whose rows are untouched since `written` writes. */
async function timed(log: ChangeLog, filled: number, written: number): Promise<Times> {
  const get: number[] = []
  const put: number[] = []
  const stride = Math.max(1, Math.floor(filled / (2 * samples)))
  for (let sample = 0; sample < samples; sample++) {
    const message = messageOf(log, (sample + written) * stride)
    const reading = monotonicMillis()
    const found = await lastRecord(log, message.subject)
    const writing = monotonicMillis()
    if (found === undefined) throw new Error(`nothing is found on ${message.subject}`)
    const { kind } = await publish(log.streams.connection, [{ ...message, expect: found.revision }], 60_000)
    put.push(monotonicMillis() - writing)
    get.push(writing - reading)
    if (kind !== 'stored') throw new Error(`a conditional write was answered ${kind}`)
  }
  return { get, put }
}

const named = (prefix: string, { get, put }: Times) => ({
  [`${prefix}get_p50_ms`]: median(get),
  [`${prefix}get_p99_ms`]: percentile(get, 0.99),
  [`${prefix}get_max_ms`]: Math.max(...get),
  [`${prefix}put_p50_ms`]: median(put),
  [`${prefix}put_p99_ms`]: percentile(put, 0.99),
  [`${prefix}put_max_ms`]: Math.max(...put),
})

async function bytesIn(folder: string): Promise<number> {
  let sum = 0
  for (const name of await readdir(folder, { recursive: true })) sum += (await stat(join(folder, name))).size
  return sum
}
