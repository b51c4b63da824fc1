/** Calls are counted by method and code, those of all Tables' own services together. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { Registry } from 'prom-client'
import { callMetrics } from './metrics.ts'

test('calls are counted by method and code, and methods of the services of Tables share a series', async () => {
  const registry = new Registry()
  const observe = callMetrics(registry)
  observe('/blasty.v1.MutationService/Write', status.OK, 0.002)
  observe('/blasty.v1.MutationService/Write', status.OK, 0.2)
  observe('/blasty.v1.MutationService/Write', status.NOT_FOUND, 0.002)
  observe('/blasty.tables.cinema.films/Put', status.OK, 0.002)
  observe('/blasty.tables.cinema.directors/Put', status.OK, 0.002)
  const lines = (await registry.metrics()).split('\n')
  const of = (name: string) => lines.filter(line => line.startsWith(name)).sort()
  assert.deepEqual(of('blasty_grpc_calls_total'), [
    'blasty_grpc_calls_total{method="/blasty.tables/Put",code="OK"} 2',
    'blasty_grpc_calls_total{method="/blasty.v1.MutationService/Write",code="NOT_FOUND"} 1',
    'blasty_grpc_calls_total{method="/blasty.v1.MutationService/Write",code="OK"} 2',
  ])
  assert.deepEqual(of('blasty_grpc_call_seconds_count'), [
    'blasty_grpc_call_seconds_count{method="/blasty.tables/Put"} 2',
    'blasty_grpc_call_seconds_count{method="/blasty.v1.MutationService/Write"} 3',
  ])
})
