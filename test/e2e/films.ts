/** The resources most tests begin with: a Table of films, an Index and a Subscription of it. */
import type { Json } from './client.ts'
import type { Resource } from './scene.ts'

export const filmColumns = [
  { name: 'id', type: 'String' },
  { name: 'title', type: 'String' },
  { name: 'gross', type: 'Decimal', precision: 18, scale: 2 },
  { name: 'released', type: 'Date' },
  { name: 'tags', type: 'Array', items: { type: 'String' } },
]

export function filmsTable(columns: readonly object[] = filmColumns, name = 'films'): Resource {
  return { kind: 'Table', name, spec: { columns, primaryKey: ['id'], log: { maxBytes: '64Mi' } } }
}

export const filmsIndex: Resource = {
  kind: 'Index',
  name: 'films',
  spec: {
    tableRef: { name: 'films' },
    searchable: ['title'],
    filterable: ['tags', 'released'],
    sortable: ['released'],
  },
}

export const blockbusters: Resource = {
  kind: 'Subscription',
  name: 'blockbusters',
  spec: { tableRef: { name: 'films' }, where: 'gross >= 100', start: { from: 'Snapshot' } },
}

export const film = (id: string, more: Json = {}): Json => ({
  id,
  title: `Film ${id}`,
  gross: '100.00',
  released: '2026-01-31',
  tags: ['drama'],
  ...more,
})
