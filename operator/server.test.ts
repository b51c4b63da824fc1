import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createMetrics } from './metrics.ts'
import { startHealthServer } from './server.ts'

it('the platform sees whether it is alive and ready, and the metrics', async () => {
  const problems = ['widgets are not listed yet']
  const metrics = createMetrics()
  metrics.reconciled('widgets', 'ready', 0.02)
  const server = await startHealthServer({ port: 0, registry: metrics.registry, unready: () => problems })
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`)
    return [response.status, await response.text()] as const
  }
  try {
    assert.deepEqual(await get('/healthz'), [200, 'ok\n'])
    assert.deepEqual(await get('/readyz'), [503, 'widgets are not listed yet\n'])
    problems.pop()
    assert.deepEqual(await get('/readyz?verbose'), [200, 'ok\n'])
    assert.match((await get('/metrics'))[1], /operator_reconciles_total\{controller="widgets",result="ready"\} 1/)
    assert.equal((await get('/secrets'))[0], 404)
  } finally {
    await server.close()
  }
})
