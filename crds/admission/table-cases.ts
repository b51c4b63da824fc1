/** What a Table may be: names, types, keys, settings. */
import { complete, minimal } from './examples.ts'
import type { RuleCase } from './rule-cases.ts'

const spec = minimal.Table
const title = { name: 'title', type: 'String' }
const id = { name: 'id', type: 'Int64' }
const gross = { name: 'gross', type: 'Decimal', precision: 18, scale: 2 }
const tags = { name: 'tags', type: 'Array', items: { type: 'String' } }
const columns = (...list: unknown[]) => ({ columns: list })

const names: RuleCase[] = [
  { title: 'a name of 40 characters is accepted', spec, name: `a${'b'.repeat(39)}` },
  { title: 'words joined by hyphens are a name', spec, name: 'film-reviews-2' },
  { title: 'a name of 41 characters is refused', spec, name: `a${'b'.repeat(40)}`, refused: ['at most 40 characters'] },
  { title: 'a name that begins with a digit is refused', spec, name: '2films', refused: ['such as film-reviews'] },
  { title: 'two hyphens in a row are refused', spec, name: 'film--reviews', refused: ['such as film-reviews'] },
  { title: 'a point in a name is refused', spec, name: 'film.reviews', refused: ['such as film-reviews'] },
]

const columnNames: RuleCase[] = [
  { title: 'a column name of 63 characters is accepted', spec: columns({ ...title, name: `a${'_'.repeat(62)}` }) },
  {
    title: 'a column name in upper case is refused',
    spec: columns({ ...title, name: 'Title' }),
    refused: ['such as us_gross'],
  },
  {
    title: 'a column name beginning with _ is refused',
    spec: columns({ ...title, name: '_rev' }),
    refused: ['such as us_gross'],
  },
  {
    title: 'a column name beginning with a digit is refused',
    spec: columns({ ...title, name: '1st' }),
    refused: ['such as us_gross'],
  },
  { title: 'the column name rowid is reserved', spec: columns({ ...title, name: 'rowid' }), refused: ['are reserved'] },
  {
    title: 'the column name constructor is reserved',
    spec: columns({ ...title, name: 'constructor' }),
    refused: ['are reserved'],
  },
  { title: 'a column named like a SQL keyword is accepted', spec: columns({ ...title, name: 'order' }) },
  {
    title: 'two columns of one name are refused',
    spec: columns(title, title),
    refused: ['Duplicate value', 'more than underscores'],
  },
  {
    title: 'column names that differ in underscores only are refused',
    spec: columns({ ...title, name: 'us_gross' }, { ...title, name: 'usgross' }),
    refused: ['more than underscores'],
  },
  {
    title: 'column names that differ in a letter are accepted',
    spec: columns({ ...title, name: 'a_b' }, { ...title, name: 'a_c' }),
  },
]

const types: RuleCase[] = [
  { title: 'a Decimal with precision and scale is accepted', spec: columns(gross) },
  {
    title: 'a Decimal without scale is refused',
    spec: columns({ ...title, type: 'Decimal', precision: 18 }),
    refused: ['needs precision and scale'],
  },
  {
    title: 'a Decimal without precision is refused',
    spec: columns({ ...title, type: 'Decimal', scale: 2 }),
    refused: ['needs precision and scale'],
  },
  {
    title: 'a String with a precision is refused',
    spec: columns({ ...title, precision: 18 }),
    refused: ['needs precision and scale'],
  },
  { title: 'a Decimal of fraction digits only is accepted', spec: columns({ ...gross, precision: 38, scale: 38 }) },
  {
    title: 'a scale beyond the precision is refused',
    spec: columns({ ...gross, precision: 2, scale: 3 }),
    refused: ['scale, the digits after the point'],
  },
  { title: 'an Array with items is accepted', spec: columns(tags) },
  { title: 'an Array without items is refused', spec: columns({ ...title, type: 'Array' }), refused: ['needs items'] },
  {
    title: 'a String with items is refused',
    spec: columns({ ...title, items: { type: 'String' } }),
    refused: ['needs items'],
  },
  {
    title: 'an Array of Decimal is accepted',
    spec: columns({ ...tags, items: { type: 'Decimal', precision: 9, scale: 0 } }),
  },
  {
    title: 'an Array of Decimal without scale is refused',
    spec: columns({ ...tags, items: { type: 'Decimal', precision: 9 } }),
    refused: ['Array of Decimal'],
  },
  {
    title: 'an Array of String with a scale is refused',
    spec: columns({ ...tags, items: { type: 'String', scale: 1 } }),
    refused: ['Array of Decimal'],
  },
  {
    title: 'an item scale beyond its precision is refused',
    spec: columns({ ...tags, items: { type: 'Decimal', precision: 1, scale: 2 } }),
    refused: ['scale, the digits after the point'],
  },
  {
    title: 'an Array of Array is refused',
    spec: columns({ ...tags, items: { type: 'Array' } }),
    refused: ['Unsupported value: "Array"'],
  },
  {
    title: 'an Array of Blob is refused',
    spec: columns({ ...tags, items: { type: 'Blob' } }),
    refused: ['Unsupported value: "Blob"'],
  },
]

const keyTypes = ['String', 'Int32', 'Int64', 'Boolean', 'Date', 'Timestamp', 'UUID', 'Bytes']
const otherTypes = ['Double', 'JSON', 'GeoPoint', 'Blob']
const keys: RuleCase[] = [
  { title: 'a Table without a primaryKey is accepted', spec },
  { title: 'a primaryKey of two columns is accepted', spec: { ...columns(title, id), primaryKey: ['title', 'id'] } },
  ...keyTypes.map(type => ({
    title: `a key of type ${type} is accepted`,
    spec: { ...columns({ ...id, type }), primaryKey: ['id'] },
  })),
  { title: 'a key of type Decimal is accepted', spec: { ...columns(gross), primaryKey: ['gross'] } },
  ...otherTypes.map(type => ({
    title: `a key of type ${type} is refused`,
    spec: { ...columns({ ...id, type }), primaryKey: ['id'] },
    refused: ['a key column must be of type'],
  })),
  {
    title: 'a key of type Array is refused',
    spec: { ...columns(tags), primaryKey: ['tags'] },
    refused: ['a key column must be of type'],
  },
  {
    title: 'a key column that is no column is refused',
    spec: { ...spec, primaryKey: ['id'] },
    refused: ['columns does not have'],
  },
  {
    title: 'a key column named twice is refused',
    spec: { ...spec, primaryKey: ['title', 'title'] },
    refused: ['names a column twice'],
  },
  {
    title: 'a Blob column in a Table with a key is accepted',
    spec: { ...columns(id, { name: 'poster', type: 'Blob' }), primaryKey: ['id'] },
  },
  {
    title: 'a Blob column in an append-only Table is refused',
    spec: columns({ name: 'poster', type: 'Blob' }),
    refused: ['needs a primaryKey'],
  },
]

const timed = {
  ...columns(title, { name: 'released', type: 'Date' }, { name: 'seen', type: 'Timestamp' }),
  eventTime: { column: 'released' },
}
const settings: RuleCase[] = [
  { title: 'eventTime is refused as not built', spec: timed, refused: ['eventTime is not built in this version'] },
  { title: 'later: eventTime of type Date is accepted', later: true, spec: timed },
  {
    title: 'later: eventTime of type Timestamp is accepted',
    later: true,
    spec: { ...timed, eventTime: { column: 'seen' } },
  },
  {
    title: 'later: eventTime of type String is refused',
    later: true,
    spec: { ...timed, eventTime: { column: 'title' } },
    refused: ['must name a column of type Date or Timestamp'],
  },
  {
    title: 'later: eventTime of no column is refused',
    later: true,
    spec: { ...timed, eventTime: { column: 'nope' } },
    refused: ['must name a column of type Date or Timestamp'],
  },
  { title: 'lake is accepted, even empty', spec: { ...spec, lake: {} } },
  ...[1, 3600].map(commitWindowSeconds => ({
    title: `lake.commitWindowSeconds ${commitWindowSeconds} is accepted`,
    spec: { ...spec, lake: { commitWindowSeconds } },
  })),
  ...[0, 3601].map(commitWindowSeconds => ({
    title: `lake.commitWindowSeconds ${commitWindowSeconds} is refused`,
    spec: { ...spec, lake: { commitWindowSeconds } },
    refused: ['lake.commitWindowSeconds'],
  })),
  ...[0, 315360000].map(historySeconds => ({
    title: `lake.historySeconds ${historySeconds} is accepted`,
    spec: { ...spec, lake: { historySeconds } },
  })),
  ...[-1, 315360001].map(historySeconds => ({
    title: `lake.historySeconds ${historySeconds} is refused`,
    spec: { ...spec, lake: { historySeconds } },
    refused: ['lake.historySeconds'],
  })),
  ...[1, 315360000].map(retentionSeconds => ({
    title: `log.retentionSeconds ${retentionSeconds} is accepted`,
    spec: { ...spec, log: { retentionSeconds } },
  })),
  ...[0, 315360001].map(retentionSeconds => ({
    title: `log.retentionSeconds ${retentionSeconds} is refused`,
    spec: { ...spec, log: { retentionSeconds } },
    refused: ['log.retentionSeconds'],
  })),
  ...[1, 3153600000].map(retentionSeconds => ({
    title: `rows.retentionSeconds ${retentionSeconds} is accepted`,
    spec: { ...spec, rows: { retentionSeconds } },
  })),
  ...[0, 3153600001].map(retentionSeconds => ({
    title: `rows.retentionSeconds ${retentionSeconds} is refused`,
    spec: { ...spec, rows: { retentionSeconds } },
    refused: ['rows.retentionSeconds'],
  })),
  ...['Auto', 'Embedded', 'Trino'].map(engine => ({
    title: `engine ${engine} is accepted`,
    spec: { ...spec, query: { engine } },
  })),
  { title: 'later: every field together is accepted', later: true, spec: complete.Table },
  ...['1Mi', '1Pi', '1.5Gi', '10G', 1048576, 1125899906842624].map(maxBytes => ({
    title: `log.maxBytes ${maxBytes} is accepted`,
    spec: { ...spec, log: { maxBytes } },
  })),
  ...['1023Ki', '1025Ti', '2Pi', 1048575, 1125899906842625, '10GB', 'much', '-1Gi', ''].map(maxBytes => ({
    title: `log.maxBytes ${JSON.stringify(maxBytes)} is refused`,
    spec: { ...spec, log: { maxBytes } },
    refused: ['maxBytes must be a quantity of bytes from 1Mi to 1Pi'],
  })),
  ...[1, 3, 5].map(replicas => ({ title: `${replicas} replicas are accepted`, spec: { ...spec, log: { replicas } } })),
  ...[2, 4].map(replicas => ({
    title: `${replicas} replicas are refused`,
    spec: { ...spec, log: { replicas } },
    refused: ['replicas must be 1, 3 or 5'],
  })),
  { title: 'an unknown field is refused', spec: { ...spec, colour: 'red' }, refused: ['unknown field "spec.colour"'] },
]

export const tableCases: readonly RuleCase[] = [...names, ...columnNames, ...types, ...keys, ...settings]
