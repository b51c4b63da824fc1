import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testStack, uniqueName } from '../../devstack/testing.ts'
import { keyFor } from '../../operator/mod.ts'
import { tables } from '../kinds.ts'
import type { OperatorRole } from '../operator.ts'
import { type Bench, openBench, told, until } from '../testing.ts'

let bench: Bench
let operator: OperatorRole

before(async () => {
  bench = await openBench(await testStack('kubernetes', 'nats', 'objectStore'))
  operator = await bench.start()
  await bench.facade()
})
after(async () => {
  await operator?.stop()
  await bench?.close()
})

const columns = [
  { name: 'id', type: 'String' },
  { name: 'title', type: 'String' },
]
const spec = () => ({ backendClassName: bench.className, columns, primaryKey: ['id'], log: { maxBytes: '1Mi' } })

test('a Table that is applied becomes Ready with bucket, log and schema', async () => {
  const name = uniqueName('t')
  await bench.create(tables, name, spec())
  const key = keyFor(name, bench.namespace)
  const table = await until(bench.client, tables, key, 'ready', it => told(it, 'Ready') === 'True Ready')
  console.log(JSON.stringify(table.status, null, 1))
  assert.equal(table.status.backendClassName, bench.className)
})
