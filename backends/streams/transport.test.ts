/** Messages of every size arrive as they were sent, in plain text and over TLS, and a server that goes away is noticed. */

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { promisify } from 'node:util'
import { resolvePrograms } from '../../devstack/binaries.ts'
import { devConfig } from '../../devstack/config.ts'
import { connectStreams, type Streams } from './connect.ts'

const sizes = [0, 1, 1_000, 32_700, 65_530, 300_000, 1_000_000]

/** Starts a streams server of this test alone; returns its port and how to end it. */
async function serve(
  folder: string,
  args: readonly string[],
): Promise<{ readonly port: number; stop: () => Promise<void> }> {
  const programs = await resolvePrograms(['nats-server'], devConfig(), () => {})
  const given = [
    '--addr',
    '127.0.0.1',
    '--port',
    '-1',
    '--jetstream',
    '--store_dir',
    folder,
    '--ports_file_dir',
    folder,
  ]
  const server = spawn(programs.get('nats-server') ?? '', [...given, ...args], { stdio: 'ignore' })
  const ended = once(server, 'exit')
  const stop = async () => {
    server.kill()
    await ended
  }
  for (;;) {
    assert.equal(server.exitCode, null, 'the server ended')
    const name = (await readdir(folder)).find(file => file.endsWith('.ports'))
    const told = name === undefined ? '' : await readFile(join(folder, name), 'utf8')
    const port = /:(\d+)"/.exec(told)?.[1]
    if (port !== undefined) return { port: Number(port), stop }
    await sleep(20)
  }
}

async function exchange({ connection }: Streams): Promise<void> {
  const sent = sizes.map(size => randomBytes(size))
  const got: Buffer[] = []
  const subscription = connection.subscribe('sizes', { max: sent.length })
  for (const bytes of sent) connection.publish('sizes', bytes)
  for await (const { data } of subscription) got.push(Buffer.from(data))
  assert.deepEqual(
    got.map((bytes, index) => bytes.equals(sent[index] ?? Buffer.of(1))),
    sizes.map(() => true),
  )
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'blasty-transport-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

test('messages arrive as they were sent, before and after the server was away', () =>
  inFolder(async folder => {
    const first = await serve(folder, [])
    const streams = await connectStreams({ servers: [`nats://127.0.0.1:${first.port}`], name: 'test' })
    try {
      await exchange(streams)
      const statuses = streams.connection.status()[Symbol.asyncIterator]()
      const until = async (type: string) => {
        for (;;) if ((await statuses.next()).value?.type === type) return
      }
      await first.stop()
      await until('disconnect')
      const second = await serve(folder, ['--port', String(first.port)])
      try {
        await until('reconnect')
        await exchange(streams)
      } finally {
        await streams.close()
        await second.stop()
      }
    } finally {
      await first.stop()
    }
  }))

const hasOpenssl = await promisify(execFile)('openssl', ['version']).then(
  () => true,
  () => false,
)

test('messages arrive over TLS', { skip: hasOpenssl ? false : 'makes its certificate with openssl' }, () =>
  inFolder(async folder => {
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', certificate, '-days', '2']
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      ...made,
      '-subj',
      '/CN=x',
      '-addext',
      'subjectAltName=DNS:localhost',
    ])
    const trusted = getCACertificates()
    setDefaultCACertificates([...trusted, await readFile(certificate, 'utf8')])
    const server = await serve(folder, ['--tls', '--tlscert', certificate, '--tlskey', key])
    try {
      const streams = await connectStreams({ servers: [`tls://localhost:${server.port}`], name: 'test' })
      try {
        await exchange(streams)
      } finally {
        await streams.close()
      }
    } finally {
      setDefaultCACertificates(trusted)
      await server.stop()
    }
  }),
)

test('a server that is not there is told at once', async () => {
  await assert.rejects(connectStreams({ servers: ['nats://127.0.0.1:1'], name: 'test' }), (error: Error) =>
    /refused/i.test(error.message),
  )
})
