/** The charts render; blasty-crds holds exactly what is in `crds/`. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse, parseAllDocuments } from 'yaml'
import { nodeFlagsOf } from '../cli/node-flags.ts'
import { resolvePrograms } from '../devstack/binaries.ts'
import { devConfig } from '../devstack/config.ts'
import { reportToStderr } from '../devstack/progress.ts'

const run = promisify(execFile)
const chart = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url))
const crdsFolder = fileURLToPath(new URL('../crds', import.meta.url))

type Manifest = { kind: string; metadata: { name: string; annotations?: Record<string, string> } } & Record<
  string,
  unknown
>

let helm = ''
before(async () => {
  helm = (await resolvePrograms(['helm'], devConfig(), reportToStderr)).get('helm') ?? ''
})

async function template(name: string, ...args: string[]): Promise<Manifest[]> {
  const { stdout } = await run(helm, ['template', 'blasty', chart(name), '--namespace', 'blasty-system', ...args])
  return parseAllDocuments(stdout).flatMap(document => {
    assert.deepEqual(document.errors, [])
    return document.contents === null ? [] : [document.toJS()]
  })
}

test('both charts lint', async () => {
  await run(helm, ['lint', '--strict', chart('blasty'), chart('blasty-crds')])
})

test('blasty-crds installs the definitions of crds/ unchanged, and keeps them when it is uninstalled', async () => {
  const files = (await readdir(crdsFolder)).filter(file => file.endsWith('.yaml'))
  const source: Manifest[] = await Promise.all(
    files.map(async file => parse(await readFile(join(crdsFolder, file), 'utf8'))),
  )
  const byName = (list: readonly Manifest[]) => list.toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name))
  const kept = await template('blasty-crds')
  assert.ok(kept.length > 0)
  for (const { metadata } of kept) assert.equal(metadata.annotations?.['helm.sh/resource-policy'], 'keep')
  assert.deepEqual(byName(await template('blasty-crds', '--set', 'keep=false')), byName(source))
})

test('every role runs unprivileged under an account of its own', async () => {
  const deployments = (await template('blasty')).filter(({ kind }) => kind === 'Deployment')
  assert.deepEqual(
    deployments.map(({ metadata }) => metadata.name),
    ['blasty-operator', 'blasty-worker', 'blasty-facade'],
  )
  for (const { metadata, ...deployment } of deployments) {
    const text = JSON.stringify(deployment)
    for (const part of [
      `"serviceAccountName":"${metadata.name}"`,
      '"runAsNonRoot":true',
      '"seccompProfile":{"type":"RuntimeDefault"}',
      '"allowPrivilegeEscalation":false',
      '"readOnlyRootFilesystem":true',
      '"capabilities":{"drop":["ALL"]}',
      '"path":"/healthz"',
      '"path":"/readyz"',
    ]) {
      assert.ok(text.includes(part), `${metadata.name} has ${part}`)
    }
  }
})

test('a role is started with the flags of Node that it wants', async () => {
  for (const deployment of (await template('blasty')).filter(({ kind }) => kind === 'Deployment')) {
    const flags = nodeFlagsOf(deployment.metadata.name.replace('blasty-', '')).join(' ')
    const given = /"name":"NODE_OPTIONS","value":"([^"]*)"/.exec(JSON.stringify(deployment))?.[1] ?? ''
    assert.equal(given, flags, deployment.metadata.name)
  }
})

for (const setting of [
  'worker.replicas=-1',
  'facade.service.type=Public',
  'operator.nonsense=1',
  'credentials.namespace=No_Name',
]) {
  test(`the value ${setting} is refused`, async () => {
    await assert.rejects(template('blasty', '--set', setting), /values don't meet the specifications of the schema/)
  })
}
