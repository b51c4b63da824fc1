/** The servers of a stack keep their data through kills, live beside another stack, and never outlive their parent. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { Client } from 'minio'
import type { NatsInfo, ObjectStoreInfo } from './info.ts'
import type { Crash } from './server.ts'
import { signalGroup } from './signal.ts'
import { startStack } from './stack.ts'

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'blasty-test-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Runs `work` on a connection of the worker. */
async function withNats<T>(
  { servers, users }: NatsInfo,
  work: (js: ReturnType<typeof jetstream>, manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<T>,
): Promise<T> {
  const connection = await connect({ servers: [...servers], user: users.worker.user, pass: users.worker.password })
  try {
    return await work(jetstream(connection), await jetstreamManager(connection))
  } finally {
    await connection.close()
  }
}

const streamNames = (nats: NatsInfo): Promise<string[]> =>
  withNats(nats, async (_, manager) => {
    const names: string[] = []
    for await (const name of manager.streams.names()) names.push(name)
    return names
  })

function storeClient({ endpoint, accessKey, secretKey }: ObjectStoreInfo): Client {
  const { hostname, port } = new URL(endpoint)
  return new Client({ endPoint: hostname, port: Number(port), useSSL: false, accessKey, secretKey })
}

/** Resolves when no member of the process group is left. */
async function gone(pid: number): Promise<void> {
  while (signalGroup(pid, 0)) await delay(20)
}

test('a second stack beside the first has servers and data of its own', async () => {
  await using first = await startStack({ nats: 1 })
  await using second = await startStack({ nats: 1 })
  await withNats(first.nats, (_, manager) => manager.streams.add({ name: 'only-here', subjects: ['only-here'] }))
  assert.deepEqual(await streamNames(first.nats), ['only-here'])
  assert.deepEqual(await streamNames(second.nats), [])
})

test('an acknowledged message survives kill -9 of NATS, at the same address', async () => {
  await using stack = await startStack({ nats: 1 })
  await withNats(stack.nats, async (js, manager) => {
    await manager.streams.add({ name: 'log', subjects: ['log'] })
    await js.publish('log', 'first')
  })
  await stack.nats.kill()
  assert.equal(stack.nats.pid, undefined)
  await stack.nats.start()
  const message = await withNats(stack.nats, (_, manager) => manager.streams.getMessage('log', { seq: 1 }))
  assert.equal(message?.string(), 'first')
})

test('an object survives kill -9 of the object store', async () => {
  await using stack = await startStack({ objectStore: true })
  const store = storeClient(stack.objectStore)
  await store.makeBucket('kept')
  await store.putObject('kept', 'a', 'text')
  await stack.objectStore.kill()
  await stack.objectStore.start()
  assert.equal((await store.statObject('kept', 'a')).size, 4)
})

test('three NATS servers keep a replicated stream writable when one is killed', async () => {
  await using stack = await startStack({ nats: 3 })
  await withNats(stack.nats, (_, manager) => manager.streams.add({ name: 'log', subjects: ['log'], num_replicas: 3 }))
  const [first] = stack.nats.each
  await first?.kill()
  const others = { ...stack.info.nats, servers: stack.nats.servers.slice(1), users: stack.nats.users }
  // A leader is elected first where the one killed led; until then a publish is refused or not answered, and so is every other request.
  const patience = AbortSignal.timeout(60_000)
  const attempt = () => withNats(others, async js => (await js.publish('log', 'x', { timeout: 2_000 })).seq)
  let acknowledged = 0
  while (acknowledged === 0) {
    acknowledged = await attempt().catch((error: unknown) => {
      if (patience.aborted) throw error
      return 0
    })
  }
  assert.ok(acknowledged >= 1)
  await first?.start()
})

test('a kept folder brings back data, address and credentials; two stacks never share it', async t => {
  const folder = await temporaryFolder(t)
  const first = await startStack({ nats: 1, folder })
  await withNats(first.nats, (_, manager) => manager.streams.add({ name: 'kept', subjects: ['kept'] }))
  await assert.rejects(startStack({ nats: 1, folder }), /another stack runs in/)
  await first.stop()
  await using second = await startStack({ nats: 1, folder })
  assert.deepEqual(second.info, first.info)
  assert.deepEqual(await streamNames(second.nats), ['kept'])
})

test('a server that ends by itself is reported with its log, one that is stopped is not', async () => {
  const crashes: Crash[] = []
  const { promise: crashed, resolve } = Promise.withResolvers<void>()
  await using stack = await startStack({
    nats: 1,
    onCrash: crash => {
      crashes.push(crash)
      resolve()
    },
  })
  await stack.nats.restart()
  const { pid } = stack.nats
  assert.ok(pid !== undefined)
  signalGroup(pid, 'SIGKILL')
  await crashed
  assert.deepEqual(
    crashes.map(({ server, how }) => [server, how]),
    [['nats-1', 'signal SIGKILL']],
  )
  assert.match(await readFile(crashes[0]?.log ?? '', 'utf8'), /Server is ready/)
})

for (const signal of ['SIGKILL', 'SIGINT'] as const) {
  test(`a parent that ends by ${signal} leaves neither servers nor its temporary folder`, {
    timeout: 60_000,
  }, async () => {
    const script = fileURLToPath(new URL('./test-programs/holds-stack.ts', import.meta.url))
    const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(createInterface({ input: parent.stdout }), 'line')
    const { pids, folder }: { pids: number[]; folder: string } = JSON.parse(line)
    assert.equal(pids.length, 2)
    for (const pid of pids) assert.ok(signalGroup(pid, 0), 'the server runs')
    parent.kill(signal)
    await Promise.all(pids.map(gone))
    while (existsSync(folder)) await delay(20)
  })
}
