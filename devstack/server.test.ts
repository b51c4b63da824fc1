/** A server that does not come up says why. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Server, type ServerHost } from './server.ts'

const guard = { started: () => {}, ended: () => {}, dismiss: async () => {} }

async function hostIn(t: { after(fn: () => Promise<void>): void }): Promise<ServerHost> {
  const logs = await mkdtemp(join(tmpdir(), 'blasty-test-'))
  t.after(() => rm(logs, { recursive: true, force: true }))
  return { guard, logs, onCrash: crash => assert.fail(`${crash.server} is said to have crashed`) }
}

const never = async (): Promise<void> => {
  throw new Error('not ready')
}

test('a server that ends before it is ready: the error holds how, and the end of its log', async t => {
  const args = ['-c', 'echo address in use; exit 3']
  const server = new Server({ name: 'broken', command: '/bin/sh', args, ready: never }, await hostIn(t))
  await assert.rejects(server.start(), /broken ended before it was ready: exit code 3\n.*broken\.log:\naddress in use$/)
  assert.equal(server.pid, undefined)
})

test('a program that is not there: the error names the server and keeps the cause', async t => {
  const server = new Server({ name: 'absent', command: '/no/such/program', args: [], ready: never }, await hostIn(t))
  await assert.rejects(server.start(), (error: Error) => {
    assert.match(error.message, /absent cannot be started/)
    assert.match(String(error.cause), /ENOENT/)
    return true
  })
})

test('a server deaf to SIGTERM is stopped all the same', async t => {
  const args = ['-c', 'trap "" TERM; echo up; while :; do sleep 1; done']
  const spec = { name: 'deaf', command: '/bin/sh', args, stopSeconds: 0.1, ready: async () => {} }
  const server = new Server(spec, await hostIn(t))
  await server.start()
  await server.stop()
  assert.equal(server.pid, undefined)
})
