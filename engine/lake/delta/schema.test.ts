import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Column } from '../../schema/schema.ts'
import { filmSchema } from '../../testing.ts'
import { deltaSchema } from './schema.ts'

const field = (name: string, type: unknown, nullable = true) => ({ name, type, nullable, metadata: {} })

test('every column type has its Delta type, and revision and commit time come last', () => {
  const blob: Column = { name: 'poster', type: 'Blob', required: false, field: 15 }
  const prices: Column = {
    name: 'prices',
    type: 'Array',
    items: { type: 'Decimal', precision: 9, scale: 3 },
    required: true,
    field: 16,
  }
  const schema = {
    ...filmSchema,
    columns: [...filmSchema.columns, blob, prices],
    retired: [{ name: 'gone', field: 17 }],
  }
  assert.deepEqual(JSON.parse(deltaSchema(schema)), {
    type: 'struct',
    fields: [
      field('id', 'string', false),
      field('title', 'string'),
      field('votes', 'long'),
      field('gross', 'decimal(18,2)'),
      field('rating', 'double'),
      field('released', 'date'),
      field('seen', 'timestamp'),
      field('tags', { type: 'array', elementType: 'string', containsNull: true }),
      field('place', { type: 'struct', fields: [field('lat', 'double'), field('lon', 'double')] }),
      field('raw', 'binary'),
      field('extra', 'string'),
      field('flag', 'boolean'),
      field('uid', 'string'),
      field('year', 'integer'),
      field('poster', {
        type: 'struct',
        fields: [field('sha256', 'string'), field('size', 'long'), field('type', 'string')],
      }),
      field('prices', { type: 'array', elementType: 'decimal(9,3)', containsNull: true }, false),
      field('_revision', 'long', false),
      field('_commit_time', 'timestamp', false),
    ],
  })
})
