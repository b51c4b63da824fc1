import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { connectStreams, type Streams } from '../../backends/streams/connect.ts'
import { testStack } from '../../devstack/testing.ts'
import { placement } from './placement.ts'
import { openReports, type Report, type Reports, reportsBuckets } from './reports.ts'

/** Resolves when `reports` says what `wanted` looks for. */
async function until(reports: Reports, wanted: (current: readonly Report[]) => boolean): Promise<void> {
  const changes = new EventTarget()
  const stop = reports.onChange(() => changes.dispatchEvent(new Event('change')))
  while (!wanted(reports.current())) await once(changes, 'change', { signal: AbortSignal.timeout(20_000) })
  stop()
}

/** An installation of the test's own, with connections to it that end with the test. */
async function installed(t: TestContext) {
  const { nats } = await testStack('nats')
  const installation = randomUUID()
  const opened: Streams[] = []
  const connect = async (name: string): Promise<Streams> => {
    const streams = await connectStreams({ servers: nats.servers, ...nats.users.worker, name })
    opened.push(streams)
    return streams
  }
  t.after(async () => {
    const { admin } = await connect('clean-up')
    for (const bucket of Object.values(reportsBuckets(installation))) await admin.streams.delete(`KV_${bucket}`)
    await Promise.all(opened.map(streams => streams.close()))
  })
  return { installation, connect }
}

test('what one process reports all others see, and it is gone when the process leaves or falls silent', async t => {
  const { installation, connect } = await installed(t)
  const [a, b, c] = [await connect('a'), await connect('b'), await connect('c')]
  const quick = { lifeMillis: 1000, heartbeatMillis: 200 }
  const first = await openReports(a, installation, quick)
  await first.publish({ kind: 'member', role: 'worker', id: 'one' })
  const second = await openReports(b, installation, quick)
  assert.deepEqual(second.current(), [{ kind: 'member', role: 'worker', id: 'one' }])
  await second.publish({ kind: 'member', role: 'worker', id: 'two' })
  await until(first, current => current.length === 2)
  await second.close()
  await until(first, current => current.length === 1)
  const third = await openReports(c, installation, quick)
  await third.publish({ kind: 'served', facade: 'f', tableUid: 't', schema: 3 })
  await until(first, current => current.length === 2)
  await c.close()
  await until(first, current => current.length === 1)
  await first.close()
})

test('a process that lives beats once for all it said, and says again what another wrote over', async t => {
  const { installation, connect } = await installed(t)
  const [a, b] = [await connect('a'), await connect('b')]
  const buckets = reportsBuckets(installation)
  const quick = { lifeMillis: 2000, heartbeatMillis: 50 }
  const first = await openReports(a, installation, quick)
  // Its own beat would say again what the first writes over.
  const second = await openReports(b, installation, { ...quick, heartbeatMillis: 3_600_000 })
  const report = (revision: number, tableUid = '0'): Report => ({
    kind: 'table',
    tableUid,
    revision,
    bytes: 0,
    full: false,
  })
  for (let n = 0; n < 20; n++) await first.publish(report(n, String(n)))
  await until(second, current => current.length === 20)
  const written = async (bucket: string) => (await a.admin.streams.info(`KV_${bucket}`)).state.last_seq
  while ((await written(buckets.alive)) < 5) await new Promise(resolve => setTimeout(resolve, 20))
  assert.equal(await written(buckets.reports), 20)

  await second.publish(report(1, 'second'))
  await until(first, current => current.length === 21)
  const seen: string[] = []
  first.onChange((said, present) => said.kind === 'table' && seen.push(`${present ? '+' : '-'}${said.revision}`))
  await second.publish(report(77))
  await until(first, () => seen.length >= 2)
  assert.deepEqual(seen, ['+77', '+0'])
  // Nothing of the second lies there any more that it could take with it.
  await second.withdraw(report(77))
  await second.publish(report(1, 'last'))
  await until(first, () => seen.length >= 3)
  assert.deepEqual(seen, ['+77', '+0', '+1'])
  await Promise.all([first.close(), second.close()])
})

test('whoever leaves takes nothing away that another says by now: a new connection, the next worker of a job', async t => {
  const { installation, connect } = await installed(t)
  // Beats that come too late for the test say nothing again.
  const slow = { heartbeatMillis: 3_600_000, lifeMillis: 7_200_000 }
  const open = async (name: string) => openReports(await connect(name), installation, slow)
  const [before, next, reader] = [await open('before'), await open('next'), await open('reader')]
  const member: Report = { kind: 'member', role: 'facade', id: 'f' }
  const index = (worker: string): Report => ({
    kind: 'index',
    indexUid: 'u',
    worker,
    epoch: 1,
    revision: 1,
    documents: 0,
  })
  await before.publish(member)
  await before.publish(index('old'))
  await next.publish(member)
  await next.publish(index('new'))
  await before.withdraw(index('old'))
  await before.close()
  await next.publish({ kind: 'member', role: 'worker', id: 'last' })
  await until(reader, current => current.some(one => one.kind === 'member' && one.id === 'last'))
  const held = reader.current().map(one => (one.kind === 'index' ? one.worker : one.kind))
  assert.deepEqual(held.toSorted(), ['member', 'member', 'new'])
  await Promise.all([next.close(), reader.close()])
})

test('a report that is withdrawn before the server has stored it does not stay', async t => {
  const { installation, connect } = await installed(t)
  const said = await openReports(await connect('said'), installation)
  const reader = await openReports(await connect('reader'), installation)
  const report = (revision: number): Report => ({ kind: 'table', tableUid: 't', revision, bytes: 0, full: false })
  await said.publish({ kind: 'member', role: 'worker', id: 'w' })
  await until(reader, current => current.length === 1)
  const seen: string[] = []
  reader.onChange((one, present) => one.kind === 'table' && seen.push(`${present ? '+' : '-'}${one.revision}`))
  const publishing = said.publish(report(1))
  await said.withdraw(report(1))
  await publishing
  await until(reader, () => seen.length === 2)
  await said.publish(report(2))
  const over = said.publish(report(3))
  await said.withdraw(report(3))
  await over
  await until(reader, () => seen.at(-1) === '-3')
  assert.deepEqual(seen, ['+1', '-1', '+2', '+3', '-3'])
  assert.equal(reader.current().length, 1)
  await Promise.all([said.close(), reader.close()])
})

test('a job has one worker and another as standby, and moves only when its worker leaves', () => {
  const jobs = Array.from({ length: 200 }, (_, i) => `job-${i}`)
  const before = jobs.map(job => placement(job, ['a', 'b', 'c']))
  assert.ok(before.every(({ worker, standby }) => worker !== undefined && standby !== undefined && worker !== standby))
  jobs.forEach((job, i) => {
    const after = placement(job, ['b', 'a'])
    if (before[i]?.worker === 'c') assert.equal(after.worker, before[i].standby)
    else assert.equal(after.worker, before[i]?.worker)
  })
  assert.deepEqual(placement('x', []), { worker: undefined, standby: undefined })
})
