import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { connectStreams } from '../../backends/streams/connect.ts'
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

test('what one process reports all others see, and it is gone when the process leaves or falls silent', async () => {
  const { nats } = await testStack('nats')
  const options = { servers: nats.servers, ...nats.users.worker }
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(name => connectStreams({ ...options, name })))
  assert.ok(a && b && c)
  const installation = randomUUID()
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
  for (const bucket of Object.values(reportsBuckets(installation))) await a.admin.streams.delete(`KV_${bucket}`)
  await Promise.all([a.close(), b.close()])
})

test('a process that lives beats once for all it said, and says again what another withdrew or wrote over', async () => {
  const { nats } = await testStack('nats')
  const options = { servers: nats.servers, ...nats.users.worker }
  const [a, b] = await Promise.all([
    connectStreams({ ...options, name: 'a' }),
    connectStreams({ ...options, name: 'b' }),
  ])
  const installation = randomUUID()
  const buckets = reportsBuckets(installation)
  const quick = { lifeMillis: 2000, heartbeatMillis: 50 }
  const [first, second] = [await openReports(a, installation, quick), await openReports(b, installation, quick)]
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

  const seen: string[] = []
  first.onChange((said, present) => said.kind === 'table' && seen.push(`${present ? '+' : '-'}${said.revision}`))
  await second.withdraw(report(0))
  await until(first, current => current.length === 20 && seen.length >= 2)
  await second.publish(report(77))
  await until(first, () => seen.length >= 4)
  assert.deepEqual(seen.slice(0, 4), ['-0', '+0', '+77', '+0'])
  await Promise.all([first.close(), second.close()])
  for (const bucket of Object.values(buckets)) await a.admin.streams.delete(`KV_${bucket}`)
  await Promise.all([a.close(), b.close()])
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
