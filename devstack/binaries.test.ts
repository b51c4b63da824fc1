/** Programs are found, downloaded with a checksum, or built; what is missing is named. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { resolvePrograms } from './binaries.ts'
import { thisPlatform } from './platform.ts'
import { freePorts, loopback } from './ports.ts'
import { type ProgramName, programs } from './programs.ts'

const run = promisify(execFile)
const quiet = (): void => {}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'blasty-test-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function writeScript(file: string, ...lines: string[]): Promise<string> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, ['#!/bin/sh', ...lines, ''].join('\n'))
  await chmod(file, 0o755)
  return file
}

const cachedPath = (cache: string, name: ProgramName): string => join(cache, 'bin', name, programs[name].version, name)

/** A mirror that serves `files` by path and counts the requests of each. */
async function startMirror(t: TestContext, files: ReadonlyMap<string, Buffer | string>) {
  const requests: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    requests.push(path)
    const body = files.get(path)
    response.writeHead(body === undefined ? 404 : 200).end(body)
  })
  server.listen(0, loopback)
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return { url: `http://${loopback}:${address.port}`, requests }
}

/** The publisher's files of nats-server, holding a script, with the checksum given or the right one. */
async function natsRelease(t: TestContext, checksum?: string): Promise<Map<string, Buffer | string>> {
  const release = programs['nats-server'].release?.(thisPlatform)
  assert.ok(release?.member !== undefined)
  const folder = await temporaryFolder(t)
  await writeScript(join(folder, release.member), 'echo "nats-server: v2.15.2"')
  const archive = join(folder, 'archive.tar.gz')
  await run('tar', ['-czf', archive, '-C', folder, dirname(release.member)])
  const bytes = await readFile(archive)
  const hex = checksum ?? createHash('sha256').update(bytes).digest('hex')
  const name = release.url.slice(release.url.lastIndexOf('/') + 1)
  const path = (url: string): string => url.replace('https:/', '')
  return new Map<string, Buffer | string>([
    [path(release.url), bytes],
    [path(release.checksumUrl), `${'0'.repeat(64)}  another-file.zip\n${hex}  ${name}\n`],
  ])
}

test('a program on PATH is taken when its version will do', async t => {
  const folder = await temporaryFolder(t)
  const own = await writeScript(join(folder, 'bin', 'kubectl'), 'echo "Client Version: v1.37.0"')
  const config = { path: [join(folder, 'bin')], cache: join(folder, 'cache'), mirror: undefined, offline: true }
  const found = await resolvePrograms(['kubectl'], config, quiet)
  assert.equal(found.get('kubectl'), own)
})

for (const version of ['v1.32.4-dispatcher', 'v2.0.0', 'nonsense']) {
  test(`kubectl ${version} on PATH is passed over for the one in the cache`, async t => {
    const folder = await temporaryFolder(t)
    await writeScript(join(folder, 'bin', 'kubectl'), `echo "Client Version: ${version}"`)
    const cached = await writeScript(cachedPath(join(folder, 'cache'), 'kubectl'), 'exit 0')
    const config = { path: [join(folder, 'bin')], cache: join(folder, 'cache'), mirror: undefined, offline: true }
    const found = await resolvePrograms(['kubectl'], config, quiet)
    assert.equal(found.get('kubectl'), cached)
  })
}

test('an official download is checked, cached, and fetched once for two callers at once', async t => {
  const cache = await temporaryFolder(t)
  const mirror = await startMirror(t, await natsRelease(t))
  const config = { path: [], cache, mirror: mirror.url, offline: false }
  const both = await Promise.all([
    resolvePrograms(['nats-server'], config, quiet),
    resolvePrograms(['nats-server'], config, quiet),
  ])
  for (const found of both) assert.equal(found.get('nats-server'), cachedPath(cache, 'nats-server'))
  assert.equal((await run(cachedPath(cache, 'nats-server'), [])).stdout, 'nats-server: v2.15.2\n')
  assert.equal(mirror.requests.length, 2, 'one checksum and one archive')
  assert.deepEqual(await readdir(dirname(cachedPath(cache, 'nats-server'))), ['nats-server'])
})

test('a download whose checksum differs is not used, and the error says so and what to install', async t => {
  const cache = await temporaryFolder(t)
  const mirror = await startMirror(t, await natsRelease(t, 'a'.repeat(64)))
  const config = { path: [], cache, mirror: mirror.url, offline: false }
  await assert.rejects(resolvePrograms(['nats-server'], config, quiet), (error: Error) => {
    assert.match(error.message, /nats-server 2\.15 or newer/)
    assert.match(error.message, /has SHA-256 [0-9a-f]{64}, its publisher says a{64}/)
    assert.match(error.message, /Install Go/)
    return true
  })
  assert.deepEqual(await readdir(dirname(cachedPath(cache, 'nats-server'))), [])
})

test('offline asks no host', async t => {
  const cache = await temporaryFolder(t)
  const mirror = await startMirror(t, await natsRelease(t))
  const config = { path: [], cache, mirror: mirror.url, offline: true }
  await assert.rejects(resolvePrograms(['nats-server'], config, quiet), /the Go toolchain \(go\) is not on PATH/)
  assert.deepEqual(mirror.requests, [])
})

test('when the host does not answer, Go builds the pinned version', async t => {
  const folder = await temporaryFolder(t)
  const [closed] = await freePorts(1)
  await writeScript(
    join(folder, 'bin', 'go'),
    'for last; do :; done',
    `if [ "$1" = install ]; then target="$GOBIN/nats-server"; else target="$(echo "$@" | sed 's/.* -o \\([^ ]*\\) .*/\\1/')"; fi`,
    'printf "#!/bin/sh\\necho $1 $last" > "$target"',
  )
  const config = {
    path: [join(folder, 'bin')],
    cache: join(folder, 'cache'),
    mirror: `http://${loopback}:${closed}`,
    offline: false,
  }
  const reports: string[] = []
  const found = await resolvePrograms(['nats-server', 'kubectl'], config, line => reports.push(line))
  const output = async (name: ProgramName) => (await run(found.get(name) ?? '', [])).stdout.trim()
  assert.equal(await output('nats-server'), 'install github.com/nats-io/nats-server/v2@v2.15.2')
  assert.equal(await output('kubectl'), 'build k8s.io/kubernetes/cmd/kubectl')
  assert.ok(reports.some(line => /downloading nats-server 2\.15\.2: .* does not answer/.test(line)))
  assert.ok(reports.some(line => /building kubectl .* with Go .*: done in \d+ s/.test(line)))
})

test('everything that is missing is named at once', async t => {
  const config = { path: [], cache: await temporaryFolder(t), mirror: undefined, offline: true }
  await assert.rejects(
    resolvePrograms(['etcd', 'minio'], config, quiet),
    /etcd 3\.6 or newer[\s\S]*minio 2025-09-07 or newer/,
  )
})
