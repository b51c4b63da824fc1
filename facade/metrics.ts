/** What the facade counts, for Prometheus. */

import { status } from '@grpc/grpc-js'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Directory } from '../directory/directory.ts'
import type { ObserveCall } from './grpc/service.ts'

/** Counts calls by method and code, and times them. Methods of generated services share one label a method. */
export function callMetrics(registry: Registry): ObserveCall {
  const registers = [registry]
  const labelNames = ['method', 'code'] as const
  const calls = new Counter({ name: 'blasty_grpc_calls_total', help: 'Calls ended', labelNames, registers })
  const seconds = new Histogram({
    name: 'blasty_grpc_call_seconds',
    help: 'How long calls took; of streams, how long they were open',
    labelNames: ['method'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
    registers,
  })
  /** A series is found by its labels once, not with every call. */
  const known = new Map<string, { readonly calls: Counter.Internal; readonly seconds: Histogram.Internal<'method'> }>()
  return (path, code, took) => {
    // Tables come and go by the thousand; their own services are counted together.
    const method = path.startsWith('/blasty.tables.') ? `/blasty.tables/${path.slice(path.lastIndexOf('/') + 1)}` : path
    const name = `${method} ${code}`
    const series = known.get(name) ?? {
      calls: calls.labels({ method, code: status[code] ?? String(code) }),
      seconds: seconds.labels({ method }),
    }
    known.set(name, series)
    series.calls.inc()
    series.seconds.observe(took)
  }
}

/** How far the replicas of this process are, by Table. */
export function replicaMetrics(registry: Registry, directory: Directory): void {
  const gauge = (name: string, help: string, read: (table: { rows: number; columns: number }) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['namespace', 'table'],
      registers: [registry],
      collect() {
        this.reset()
        for (const { table } of directory.served()) {
          const at = table.openReplica
          const { namespace, name } = table.descriptor
          if (at !== undefined)
            this.set({ namespace, table: name }, read({ rows: at.revision, columns: at.columnsRevision }))
        }
      },
    })
  gauge('blasty_replica_revision', 'Last revision that Get and feeds serve', ({ rows }) => rows)
  gauge('blasty_replica_sql_revision', 'Last revision that SQL serves', ({ columns }) => columns)
}
