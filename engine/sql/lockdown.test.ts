/** A locked instance reaches nothing outside it and cannot be unlocked. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { lockdownStatements } from './lockdown.ts'

const refused: readonly string[] = [
  "SELECT * FROM read_text('/etc/hostname')",
  "SELECT * FROM '/etc/hostname'",
  "SELECT * FROM glob('/*')",
  "ATTACH '/tmp/blasty-lockdown.db'",
  "COPY (SELECT 1) TO '/tmp/blasty-lockdown.csv'",
  'INSTALL httpfs',
  'LOAD httpfs',
  'SET enable_external_access = true',
  'SET lock_configuration = false',
  "SET memory_limit = '10GB'",
  "SET TimeZone = 'Asia/Tokyo'",
  'RESET TimeZone',
]

for (const statement of refused) {
  test(`a locked instance refuses ${statement}`, async () => {
    const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
    for (const lock of lockdownStatements) await connection.run(lock)
    await assert.rejects(connection.run(statement))
    connection.closeSync()
  })
}

test('a new connection of a locked instance has the time zone UTC', async () => {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const first = await instance.connect()
  for (const lock of lockdownStatements) await first.run(lock)
  const second = await instance.connect()
  const reader = await second.runAndReadAll("SELECT CAST(TIMESTAMPTZ '2026-01-31 12:00:00Z' AS VARCHAR)")
  assert.deepEqual(reader.getRows(), [['2026-01-31 12:00:00+00']])
  first.closeSync()
  second.closeSync()
})
