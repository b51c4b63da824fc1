/** Trino starts when it is asked for, once, and never outlives the process that holds the stack. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { trino } from '../backends/trino/client.ts'
import { missingHere, testNeeding } from './lake/needs.ts'
import { askForTrino, serveOnDemand } from './on-demand.ts'
import { signalGroup } from './signal.ts'
import { startStack } from './stack.ts'

const withTrino = testNeeding(await missingHere('trino'))

const refusing = { startTrino: () => Promise.reject(new Error('Java is missing')) }

test('whoever does not have the token starts nothing', async () => {
  await using served = await serveOnDemand({ startTrino: () => assert.fail('started') })
  await assert.rejects(askForTrino({ ...served.info, token: 'guessed' }), /the token is missing or wrong/)
  const response = await fetch(`${served.info.url}/trino`, {
    headers: { authorization: `Bearer ${served.info.token}` },
  })
  assert.equal(response.status, 404, 'a GET starts nothing either')
})

test('whoever asks is told why it does not start, and may ask again', async () => {
  await using served = await serveOnDemand(refusing)
  for (const _ of [1, 2]) await assert.rejects(askForTrino(served.info), /Trino was not started: Java is missing/)
})

test('a stack without an object store has no Trino', async () => {
  await using stack = await startStack({ nats: 1 })
  await assert.rejects(stack.startTrino(), /started without objectStore/)
  assert.throws(() => stack.trino, /started without trino/)
})

withTrino(
  'two who ask at once get one Trino, and a kill -9 of its parent leaves neither it nor its folder',
  async t => {
    const script = fileURLToPath(new URL('./test-programs/holds-trino.ts', import.meta.url))
    const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => parent.kill('SIGKILL'))
    const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]()
    const printed = async () => JSON.parse((await lines.next()).value ?? '')
    const { folder, onDemand } = await printed()
    const [first, second] = await Promise.all([askForTrino(onDemand), askForTrino(onDemand)])
    assert.deepEqual(first, second)
    const pids: number[] = await printed()
    assert.deepEqual(await printed(), pids, 'the same process')
    assert.equal(pids.length, 2)
    const client = trino({ server: first.server, user: 'test' })
    assert.deepEqual(await client.rows(`SHOW SCHEMAS FROM ${first.catalog} LIKE 'information_schema'`), [
      ['information_schema'],
    ])
    for (const pid of pids) assert.ok(signalGroup(pid, 0), 'the server runs')

    parent.kill('SIGKILL')
    for (const pid of pids) while (signalGroup(pid, 0)) await delay(20)
    while (existsSync(folder)) await delay(20)
  },
)

withTrino('a stack that stops while Trino starts leaves none', async () => {
  const stack = await startStack({ objectStore: true, report: () => {} })
  const starting = stack.startTrino()
  const outcome = assert.rejects(starting)
  while (!existsSync(`${stack.info.logs}/trino.log`)) await delay(5)
  await stack.stop()
  await outcome
  assert.ok(!existsSync(stack.info.folder))
})
