/** `reconcile`: how many Tables, then Subscriptions, the operator brings from created to Ready in a second. */

import { subscriptions, tables } from '../directory/kinds.ts'
import type { Bench } from './harness/bench.ts'
import { monotonicMillis } from './harness/clock.ts'
import type { Environment } from './harness/environment.ts'
import { residentMegabytes } from './harness/memory.ts'
import { createAll, untilReady } from './harness/resources.ts'

const tableSpec = {
  columns: [
    { name: 'id', type: 'String' },
    { name: 'title', type: 'String' },
  ],
  primaryKey: ['id'],
  log: { maxBytes: '1Mi' },
}
/** Tables that the Subscriptions are spread over. */
const sources = 10

export const reconcile: Bench = async (environment, { n = 300 }, tell) => {
  const operator = environment.roles?.of('operator').pid
  if (operator === undefined) {
    throw new Error(
      'the memory of an operator that was found running cannot be told: attach to npm run dev -- --no-roles',
    )
  }
  tell('one Table to warm up')
  await measure(environment, tables, new Map([['warm-up', tableSpec]]))
  tell(`${n} Tables`)
  const names = Array.from({ length: n }, (_, index) => `t${index}`)
  const tableSeconds = await measure(environment, tables, new Map(names.map(name => [name, tableSpec])))
  tell(`${n} Tables were Ready after ${tableSeconds.toFixed(1)} s; ${n} Subscriptions`)
  const specOf = (index: number) => ({
    tableRef: { name: `t${index % Math.min(n, sources)}` },
    where: `title > '${index}'`,
    start: { from: 'Now' },
  })
  const subscriptionSpecs = new Map(names.map((_, index) => [`s${index}`, specOf(index)]))
  const subscriptionSeconds = await measure(environment, subscriptions, subscriptionSpecs)
  return {
    figures: {
      tables_per_s: n / tableSeconds,
      subscriptions_per_s: n / subscriptionSeconds,
      rss_mb: await residentMegabytes(operator),
    },
    notes: [
      `${n} of each, from the first create to the last Ready; Tables with bucket, stream and a facade that serves them; Subscriptions over ${Math.min(n, sources)} of the Tables`,
      'servers, facade, worker, operator and load share this machine',
    ],
  }
}

/** Seconds from the first create until all are Ready. */
async function measure(
  environment: Environment,
  kind: Parameters<typeof createAll>[1] & Parameters<typeof untilReady>[1],
  specs: ReadonlyMap<string, object>,
): Promise<number> {
  const begin = monotonicMillis()
  const ready = untilReady(environment, kind, [...specs.keys()])
  await Promise.all([createAll(environment, kind, specs), ready])
  return (monotonicMillis() - begin) / 1000
}
