import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tableUpdateCases } from '../../crds/admission/table-update-cases.ts'
import { maxRetired, planSchema, type WantedColumn, type WantedSchema } from './evolve.ts'
import type { TableSchema } from './schema.ts'

const id: WantedColumn = { name: 'id', type: 'String', required: false }
const title: WantedColumn = { name: 'title', type: 'String', required: false }
const year: WantedColumn = { name: 'year', type: 'Int32', required: false }
const wanted = (columns: readonly WantedColumn[]): WantedSchema => ({ columns, primaryKey: ['id'] })

function next(spec: WantedSchema, inForce?: TableSchema): TableSchema {
  const plan = planSchema(spec, inForce)
  assert.equal(plan.kind, 'next', JSON.stringify(plan))
  assert.ok(plan.kind === 'next')
  return plan.schema
}

test('the first schema numbers the columns in their order; key columns are required', () => {
  assert.deepEqual(next(wanted([id, title])), {
    number: 1,
    columns: [
      { ...id, required: true, field: 1 },
      { ...title, field: 2 },
    ],
    retired: [],
    primaryKey: ['id'],
  })
})

test('columns in another order, or read back, are the same schema', () => {
  const first = next(wanted([id, title]))
  assert.deepEqual(planSchema(wanted([title, { ...id, required: true }]), first), { kind: 'same', schema: first })
})

test('a column that is retired keeps its name and its field number for ever', () => {
  const first = next(wanted([id, title]))
  const second = next(wanted([id]), first)
  assert.deepEqual(second.retired, [{ name: 'title', field: 2 }])
  const third = next(wanted([year, id]), second)
  assert.deepEqual(
    third.columns.map(({ name, field }) => [name, field]),
    [
      ['id', 1],
      ['year', 3],
    ],
  )
  const back = planSchema(wanted([id, title]), third)
  assert.ok(back.kind === 'refused')
  assert.match(back.problems.join(), /title was retired/)
})

test('all that is wrong with a change is told at once', () => {
  const first = next(wanted([id, title]))
  const plan = planSchema(
    {
      columns: [
        { ...title, type: 'JSON' },
        { ...year, required: true },
      ],
      primaryKey: ['title'],
    },
    first,
  )
  assert.ok(plan.kind === 'refused')
  assert.equal(plan.problems.length, 4, plan.problems.join('\n'))
})

test('field numbers pass over those that protobuf reserves', () => {
  const inForce = { ...next(wanted([id])), retired: [{ name: 'old', field: 18_999 }] }
  assert.deepEqual(
    next(wanted([id, title, year]), inForce).columns.map(({ field }) => field),
    [1, 20_000, 20_001],
  )
})

test('more columns cannot be retired than a status can hold', () => {
  const retired = Array.from({ length: maxRetired }, (_, i) => ({ name: `r${i}`, field: i + 10 }))
  assert.equal(planSchema(wanted([id]), { ...next(wanted([id, title])), retired }).kind, 'refused')
})

/** Cases of admission that are about something else than the schema, or about a bound that only the schema has. */
const elsewhere = /the class |800 retired/

for (const { title: name, before, spec, status, refused = [] } of tableUpdateCases) {
  if (before === undefined || elsewhere.test(name)) continue
  test(`against the schema in force as at admission: ${name}`, () => {
    const first = next(completed(before))
    const retired = (status as { schema?: TableSchema } | undefined)?.schema?.retired ?? []
    const plan = planSchema(completed(spec), { ...first, retired })
    assert.equal(plan.kind === 'refused', refused.length > 0, JSON.stringify(plan))
  })
}

/** A spec of the admission cases with the defaults that the API server would put in. */
function completed(spec: unknown): WantedSchema {
  const { columns, primaryKey, eventTime } = spec as WantedSchema
  return {
    columns: columns.map(column => ({ ...column, required: column.required ?? false })),
    ...(primaryKey && { primaryKey }),
    ...(eventTime && { eventTime: { ...eventTime, maxLatenessSeconds: eventTime.maxLatenessSeconds ?? 0 } }),
  }
}
