/** What may change in a Table, and that the largest one the bounds allow stays within the server's budget for rules. */
import { minimal } from './examples.ts'
import type { RuleCase } from './rule-cases.ts'

const spec = minimal.Table
const title = { name: 'title', type: 'String' }
const id = { name: 'id', type: 'Int64' }
const gross = { name: 'gross', type: 'Decimal', precision: 18, scale: 2 }
const tags = { name: 'tags', type: 'Array', items: { type: 'String' } }
const columns = (...list: unknown[]) => ({ columns: list })

const timed = {
  ...columns(title, { name: 'released', type: 'Date' }, { name: 'seen', type: 'Timestamp' }),
  eventTime: { column: 'released' },
}
const before = { ...columns(id, title, gross, tags), primaryKey: ['id'] }
const changed = (...list: unknown[]) => ({ ...before, ...columns(...list) })
const retired = {
  observedGeneration: 1,
  schema: {
    number: 2,
    columns: [{ ...id, required: true, field: 1 }],
    retired: [{ name: 'old', field: 2 }],
    primaryKey: ['id'],
  },
}
const updates: RuleCase[] = [
  {
    title: 'a nullable column may be added',
    before,
    spec: changed(id, title, gross, tags, { name: 'year', type: 'Int32' }),
  },
  {
    title: 'a required column may not be added',
    before,
    spec: changed(id, title, gross, tags, { name: 'year', type: 'Int32', required: true }),
    refused: ['must be nullable'],
  },
  { title: 'a column may be retired', before, spec: changed(id, gross, tags) },
  {
    title: 'rows.retentionSeconds may be taken out',
    before: { ...before, rows: { retentionSeconds: 60 } },
    spec: { ...before, rows: {} },
  },
  { title: 'columns may be written in another order', before, spec: changed(tags, gross, title, id) },
  {
    title: 'a key column may not be retired',
    before,
    spec: changed(title, gross, tags),
    refused: ['can be neither missing nor retired'],
  },
  {
    title: 'the type of a column may not change',
    before,
    spec: changed(id, { ...title, type: 'JSON' }, gross, tags),
    refused: ['the type of a column cannot change'],
  },
  {
    title: 'a precision may not change',
    before,
    spec: changed(id, title, { ...gross, precision: 20 }, tags),
    refused: ['precision and scale of a column cannot change'],
  },
  {
    title: 'a scale may not change',
    before,
    spec: changed(id, title, { ...gross, scale: 3 }, tags),
    refused: ['precision and scale of a column cannot change'],
  },
  {
    title: 'the items of an Array may not change',
    before,
    spec: changed(id, title, gross, { ...tags, items: { type: 'UUID' } }),
    refused: ['the items of an Array column cannot change'],
  },
  {
    title: 'required may not change',
    before,
    spec: changed(id, { ...title, required: true }, gross, tags),
    refused: ['required cannot change'],
  },
  {
    title: 'primaryKey may not change',
    before,
    spec: { ...before, primaryKey: ['title'] },
    refused: ['primaryKey is immutable'],
  },
  {
    title: 'primaryKey may not be taken out',
    before,
    spec: columns(id, title, gross, tags),
    refused: ['primaryKey is immutable'],
  },
  {
    title: 'primaryKey may not be put in later',
    before: columns(id),
    spec: { ...columns(id), primaryKey: ['id'] },
    refused: ['primaryKey is immutable'],
  },
  {
    title: 'the class may not change',
    before: { ...spec, backendClassName: 'a' },
    spec: { ...spec, backendClassName: 'b' },
    refused: ['backendClassName is immutable'],
  },
  {
    title: 'the class may not be named later',
    before: spec,
    spec: { ...spec, backendClassName: 'b' },
    refused: ['backendClassName is immutable'],
  },
  {
    title: 'the class may not be taken out',
    before: { ...spec, backendClassName: 'a' },
    spec,
    refused: ['backendClassName is immutable'],
  },
  {
    title: 'later: eventTime.column may not change',
    later: true,
    before: timed,
    spec: { ...timed, eventTime: { column: 'seen' } },
    refused: ['eventTime.column is immutable'],
  },
  {
    title: 'later: eventTime.maxLatenessSeconds may change',
    later: true,
    before: timed,
    spec: { ...timed, eventTime: { column: 'released', maxLatenessSeconds: 9 } },
  },
  {
    title: 'later: eventTime may not be put in later',
    later: true,
    before: columns(...timed.columns),
    spec: timed,
    refused: ['eventTime.column is immutable'],
  },
  {
    title: 'a retired column may not come back',
    before: { ...columns(id), primaryKey: ['id'] },
    status: retired,
    spec: changed(id, { ...title, name: 'old' }),
    refused: ['a column that was retired cannot come back'],
  },
  {
    title: 'beside retired columns another may be added',
    before: { ...columns(id), primaryKey: ['id'] },
    status: retired,
    spec: changed(id, title),
  },
  {
    title: 'size of the log, policies and engine may change',
    before,
    spec: {
      ...before,
      log: { maxBytes: '2Gi', replicas: 3 },
      driftPolicy: 'Observe',
      deletionPolicy: 'Delete',
      deleteAfterSeconds: 0,
      query: { engine: 'Embedded' },
    },
  },
]

// The server gives a rule a budget: these are as large as the bounds allow.
const many = Array.from({ length: 200 }, (_, i) => ({ ...gross, name: `c_${i}_`.padEnd(62, 'x') }))
const wide = { columns: many, primaryKey: many.slice(0, 16).map(({ name }) => name) }
const manyRetired = Array.from({ length: 800 }, (_, i) => ({ name: `r_${i}_`.padEnd(63, 'x'), field: i + 1 }))
const needed = { columns: many.map(it => ({ ...it, required: true })) }
const large: RuleCase[] = [
  { title: '200 columns with long names and 16 keys are accepted', spec: wide },
  {
    title: 'beside 199 required columns a nullable one is added',
    before: { columns: needed.columns.slice(1) },
    spec: { columns: [...needed.columns.slice(1), { ...title }] },
  },
  {
    title: '184 columns may be retired and 184 others added, beside 800 retired ones',
    before: wide,
    status: { ...retired, schema: { ...retired.schema, retired: manyRetired } },
    spec: { ...wide, columns: many.map((it, i) => (i < 16 ? it : { ...it, name: `${it.name}y` })) },
  },
]

export const tableUpdateCases: readonly RuleCase[] = [...updates, ...large]
