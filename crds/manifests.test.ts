/** The example manifests, applied with kubectl to a real API server. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { testStack } from '../devstack/testing.ts'
import { loadCrds } from './load.ts'

const run = promisify(execFile)
const folder = join(import.meta.dirname, '../examples/manifests')

it('kubectl accepts every example and lists it in the category blasty', async () => {
  const { kubernetes } = await testStack('kubernetes')
  const kubectl = async (...args: string[]): Promise<string> =>
    (await run(kubernetes.kubectl, ['--kubeconfig', kubernetes.kubeconfig, ...args])).stdout
  await kubectl('apply', '--filename', join(folder, '00-namespace.yaml'))
  const applied = await kubectl('apply', '--server-side', '--dry-run=server', '--validate=strict', '--filename', folder)
  for (const name of ['table.blasty.dev/films', 'table.blasty.dev/flights', 'index.blasty.dev/airports'])
    assert.match(applied, new RegExp(`^${name} serverside-applied`, 'm'))
  for (const name of ['subscription.blasty.dev/blockbusters', 'accesspolicy.blasty.dev/readers'])
    assert.match(applied, new RegExp(`^${name} serverside-applied`, 'm'))
  const served = await kubectl('api-resources', '--categories=blasty', '--no-headers', '--output=name')
  assert.deepEqual(served.trim().split('\n').sort(), (await loadCrds()).map(crd => crd.metadata.name).sort())
})
