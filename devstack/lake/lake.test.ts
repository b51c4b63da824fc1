/** Java, Trino and Python are found or what is missing is named; what cannot be trusted is not used. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { devConfig } from '../config.ts'
import { loopback } from '../ports.ts'
import { findJava } from './java.ts'
import { pythonMissing, resolvePython } from './python.ts'
import { resolveTrino, trinoMissing, trinoVersion } from './trino.ts'

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

/** A folder that looks like a Java of a version. Returns its `java`. */
async function fakeJava(home: string, version: string): Promise<string> {
  const java = await writeScript(join(home, 'bin', 'java'), 'exit 1')
  await writeFile(join(home, 'release'), `IMPLEMENTOR="Test"\nJAVA_VERSION="${version}"\n`)
  return java
}

test('the first Java that is new enough is taken: the environment before PATH, whatever the default is', async t => {
  const folder = await temporaryFolder(t)
  const [old, newer, onPath] = [join(folder, 'old'), join(folder, 'newer'), join(folder, 'path')]
  await fakeJava(old, '17.0.15')
  const chosen = await fakeJava(newer, '99.0.1')
  const other = await fakeJava(onPath, '99')
  const path = [join(onPath, 'bin')]
  assert.equal(await findJava(99, { path, javaHomes: [old, newer] }), chosen)
  assert.equal(await findJava(99, { path, javaHomes: [old] }), other)
  assert.equal(await findJava(100, { path, javaHomes: [old, newer, join(folder, 'nowhere')] }), undefined)
})

test('homes of Java are read from the environment, the chosen one first', () => {
  const env = { JAVA_HOME_25_X64: '/25', JAVA_HOME: '/17', JAVA_HOME_21_X64: '' }
  assert.deepEqual(devConfig(env).javaHomes, ['/17', '/25'])
})

test('CI is what the variable says, and "false" is no', () => {
  assert.deepEqual(
    [{}, { CI: '' }, { CI: '0' }, { CI: 'false' }, { CI: '1' }, { CI: 'true' }].map(env => devConfig(env).ci),
    [false, false, false, false, true, true],
  )
})

/** A configuration whose Java is fine and whose cache is empty. */
async function withJava(t: TestContext) {
  const folder = await temporaryFolder(t)
  await fakeJava(join(folder, 'java'), '99')
  return {
    path: [],
    cache: join(folder, 'cache'),
    mirror: undefined,
    offline: false,
    javaHomes: [join(folder, 'java')],
  }
}

test('a Trino that is not there is named with the command that gets it', async t => {
  assert.match((await trinoMissing(await withJava(t))) ?? '', /not in the cache: node devstack\/prepare\.ts trino/)
})

test('offline, Trino is not downloaded', async t => {
  const config = { ...(await withJava(t)), offline: true }
  await assert.rejects(resolveTrino(config, quiet), /nothing is downloaded offline/)
})

test('an archive of Trino that is not the pinned one is not used, and every way tried is named', async t => {
  const config = await withJava(t)
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    response.end('something else')
  })
  server.listen(0, loopback)
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const tools = join(config.cache, '..', 'tools')
  const copied = `trino-server-${trinoVersion}.tar.gz`
  await writeScript(
    join(tools, 'mvn'),
    `for argument; do case "$argument" in -DoutputDirectory=*) out="\${argument#*=}";; esac; done`,
    `echo junk > "$out/${copied}"`,
  )
  const mirror = `http://${loopback}:${address.port}`
  await assert.rejects(resolveTrino({ ...config, mirror, path: [tools] }, quiet), (error: Error) => {
    assert.equal(error.message.match(/has SHA-256 [0-9a-f]{64}/g)?.length, 2, error.message)
    return true
  })
  assert.deepEqual(requests, [`/trino.io/${copied}`])
  assert.deepEqual(await readdir(join(config.cache, 'trino')), [], 'nothing is left')
})

test('what Maven says is passed on', async t => {
  const config = await withJava(t)
  const tools = join(config.cache, '..', 'tools')
  await writeScript(join(tools, 'mvn'), 'echo "[ERROR] no such artifact"; exit 1')
  const unreachable = { ...config, path: [tools], mirror: `http://${loopback}:1` }
  await assert.rejects(resolveTrino(unreachable, quiet), /mvn failed: \[ERROR\] no such artifact[\s\S]*does not answer/)
})

const python = async (t: TestContext, ...lines: string[]) => {
  const folder = await temporaryFolder(t)
  await writeScript(join(folder, 'bin', 'python3'), ...lines)
  return { path: [join(folder, 'bin')], cache: join(folder, 'cache'), offline: false }
}

test('a Python that is missing, too old or broken is named with the one that is needed', async t => {
  const configs = [
    { path: [], cache: await temporaryFolder(t), offline: false },
    await python(t, 'echo 3.9.18'),
    await python(t, 'echo "shim: no such version" >&2; exit 127'),
  ]
  for (const config of configs) {
    assert.match((await pythonMissing(config)) ?? '', /Python 3\.10 or newer/)
    await assert.rejects(resolvePython(config, quiet), /Python 3\.10 or newer/)
  }
})

test('a Python without delta-rs is named with the command that gets it, and offline nothing is got', async t => {
  const config = await python(t, 'echo 3.12.1')
  assert.match((await pythonMissing(config)) ?? '', /node devstack\/prepare\.ts python/)
  await assert.rejects(resolvePython({ ...config, offline: true }, quiet), /nothing is downloaded offline/)
})

test('what pip says is passed on, and nothing half installed is left', async t => {
  const config = await python(t, '[ "$1" = -c ] && echo 3.12.1 && exit', 'echo "No module named venv" >&2; exit 1')
  await assert.rejects(resolvePython(config, quiet), /delta-rs cannot be installed: No module named venv/)
  assert.deepEqual(await readdir(join(config.cache, 'python')), [])
})
