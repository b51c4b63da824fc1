/** The generated types fit the definitions and the engine. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { it } from 'node:test'
import type { TableSchema } from '../engine/schema/schema.ts'
import { renderTypes, typesFile } from './generate.ts'
import { loadCrds } from './load.ts'
import type { TableStatusSchema } from './types.gen.ts'

it('the generated types are current (node crds/generate.ts makes them so)', async () => {
  assert.equal(await readFile(typesFile, 'utf8'), await renderTypes(await loadCrds()))
})

it('the schema in the status of a Table is what the engine works with', () => {
  const schema: TableStatusSchema = {
    number: 1,
    columns: [{ name: 'id', type: 'Int64', required: true, field: 1 }],
    retired: [],
    primaryKey: ['id'],
  }
  // The compiler is what checks: each is given where the other is wanted.
  const inForce: TableSchema = schema
  assert.equal(inForce.columns[0]?.name, 'id')
})
