/** What a ledger of acknowledged writes says must be found by every reader. */
import assert from 'node:assert/strict'
import type { Token } from '../../proto/gen/blasty/v1/common_pb.js'
import type { Client, Json } from './client.ts'
import type { Delivered, Told } from './following.ts'
import type { Resource } from './scene.ts'

/** Each write is a batch of a row of its own and of the writer's pulse, whose `n` counts up. */
export const ledgerResources: readonly Resource[] = [
  {
    kind: 'Table',
    name: 'ledger',
    spec: {
      columns: [
        { name: 'id', type: 'String' },
        { name: 'n', type: 'Int32' },
        { name: 'text', type: 'String' },
      ],
      primaryKey: ['id'],
      log: { maxBytes: '256Mi' },
    },
  },
  { kind: 'Index', name: 'ledger', spec: { tableRef: { name: 'ledger' }, searchable: ['text'], filterable: ['n'] } },
  {
    kind: 'Subscription',
    name: 'ledger',
    spec: { tableRef: { name: 'ledger' }, where: `n > 0`, start: { from: 'Snapshot' } },
  },
]

/** Key of a writer's row. */
export const idOf = (writer: string, n: number): string => `${writer}-${String(n).padStart(6, '0')}`

/** An event whose acknowledgement was lost comes again under its sequence; that is no second event. */
export function firstDeliveries(delivered: readonly Delivered[]): Told[] {
  const bySequence = new Map<bigint, Delivered>()
  for (const one of delivered) if (!bySequence.has(one.sequence)) bySequence.set(one.sequence, one)
  return [...bySequence.values()].sort((a, b) => Number(a.sequence - b.sequence))
}

/** Get, List, SQL and search hold every row acknowledged, and no other. */
export async function checkRows(client: Client, counts: Map<string, number>, token: Token | undefined): Promise<void> {
  const table = client.table('ledger')
  const wanted = new Map<string, number>([['last', 1]])
  for (const [writer, count] of counts) {
    for (let n = 1; n <= count; n++) wanted.set(idOf(writer, n), n)
    wanted.set(`pulse-${writer}`, count)
  }
  const ids = [...wanted.keys()].sort()
  const expected = ids.map(id => [id, wanted.get(id)])
  const pairs = (rows: readonly Json[]) => rows.map(({ id, n }) => [id, n])
  assert.deepEqual(pairs((await table.list(1000, token)).map(({ row }) => row)), expected)
  const { rows } = await client.sql('SELECT id, n FROM ledger ORDER BY id', token)
  assert.deepEqual(pairs(rows), expected)
  for (let at = 0; at < ids.length; at += 1000) {
    const keysJson = ids.slice(at, at + 1000).map(id => JSON.stringify({ id }))
    const { results } = await client.queries.batchGet({ table: table.ref, keysJson })
    assert.ok(results.every(({ row }) => row !== undefined))
  }
  const index = { namespace: client.namespace, name: 'ledger' }
  const found: string[] = []
  // A search gives a thousand hits at most.
  for (let from = 1; from <= Math.max(...counts.values()); from += 250) {
    const where = `n >= ${from} AND n < ${from + 250}`
    const { hits } = await client.searches.search({ index, where, limit: 1000, ...(token && { minToken: token }) })
    found.push(...hits.map(({ keyJson }) => JSON.parse(keyJson).id))
  }
  assert.deepEqual(found.sort(), ids)
  for (const [writer, n] of counts) {
    const { hits } = await client.searches.search({ index, q: `"row ${n} of ${writer}"`, limit: 5 })
    assert.deepEqual(
      hits.map(({ keyJson }) => JSON.parse(keyJson).id),
      [idOf(writer, n)],
    )
  }
}

/** Every row entered once, and every pulse went up by one from event to event. */
export function checkEvents(who: string, told: readonly Told[], counts: Map<string, number>): void {
  for (const [writer, count] of counts) {
    const own = told.filter(({ new: row }) => String(row?.id).startsWith(`${writer}-`))
    const wanted = Array.from({ length: count }, (_, i) => ['ENTER', idOf(writer, i + 1)])
    assert.deepEqual(
      own.map(({ kind, new: row }) => [kind, row?.id]),
      wanted,
      `${who}: the rows of ${writer}`,
    )
    const pulses = told.filter(({ new: row }) => row?.id === `pulse-${writer}`)
    assert.deepEqual(
      pulses.map(({ old, new: row }) => [old?.n, row?.n]),
      Array.from({ length: count }, (_, i) => [i === 0 ? undefined : i, i + 1]),
      `${who}: the pulse of ${writer}`,
    )
  }
}
