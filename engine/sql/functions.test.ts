/** The list of allowed functions against the functions that DuckDB has. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { repetitions } from './expansion.ts'
import { allowedFunctions } from './functions.ts'
import { createMacros } from './macros.ts'

/** Names whose sound says that a function reads more than its arguments, or does something. */
const suspicious =
  /^(read|write|glob|query|pragma|duckdb|pg_|has_|icu_|__internal|current_(?!date|local)|current_setting|get(env|variable)|json_(de)?serialize|json_execute|stats|error|version|nextval|currval|setseed|sleep|checkpoint|enable|disable|parquet|seq_scan|arrow|sniff|which|in_search|txid|vector_type|make_type|cast_to|parse_duckdb|repeat_row|test_)/

async function existing(): Promise<ReadonlySet<string>> {
  const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
  await connection.run(createMacros)
  const reader = await connection.runAndReadAll('SELECT DISTINCT lower(function_name) FROM duckdb_functions()')
  connection.closeSync()
  return new Set(reader.getRows().map(([name]) => String(name)))
}

/** The parser knows these itself. */
const ofTheParser: ReadonlySet<string> = new Set(['coalesce', 'ifnull'])

test('every allowed function exists, so that none is misspelt', async () => {
  const functions = await existing()
  const missing = allowedFunctions().filter(name => !functions.has(name) && !ofTheParser.has(name))
  assert.deepEqual(missing, [])
})

test('no allowed function sounds as if it read more than its arguments', () => {
  assert.deepEqual(
    allowedFunctions().filter(name => suspicious.test(name)),
    [],
  )
})

test('functions of a new DuckDB are not allowed until someone lists them', async () => {
  const allowed = new Set(allowedFunctions())
  const others = [...(await existing())].filter(name => !allowed.has(name))
  assert.ok(others.includes('getenv') || others.includes('current_setting'))
  assert.ok(others.length > 200)
})

test('how often a macro of DuckDB repeats an argument is known for each that may be called', async () => {
  const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
  const reader = await connection.runAndReadAll(
    "SELECT function_name, parameters, macro_definition FROM duckdb_functions() WHERE function_type = 'macro'",
  )
  connection.closeSync()
  const allowed = new Set(allowedFunctions())
  for (const [name, parameters, definition] of reader.getRowsJson()) {
    if (!allowed.has(String(name)) || !Array.isArray(parameters)) continue
    const counts = parameters.map(
      parameter => String(definition).match(new RegExp(`(?<![\\w'])${parameter}(?![\\w'])`, 'g'))?.length ?? 0,
    )
    const known = repetitions.get(String(name)) ?? 1
    assert.ok(Math.max(...counts) <= known, `${name}(${parameters}) is ${definition}`)
  }
})
