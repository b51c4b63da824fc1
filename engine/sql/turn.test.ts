import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { Turn } from './turn.ts'

test('what runs when a turn ends is interrupted, and only then is the connection closed and the turn given back', async () => {
  const instance = await DuckDBInstance.create(':memory:')
  try {
    const connection = await instance.connect()
    const said: unknown[] = []
    const close = connection.closeSync.bind(connection)
    connection.closeSync = () => {
      said.push('closed')
      close()
    }
    const turn = new Turn(connection, () => said.push('given back'))
    const endless = 'SELECT count(*) FROM range(10000000000) a, range(10000000000) b WHERE a.range % 7 = b.range % 11'
    const running = turn.run(() => connection.run(endless)).catch(error => said.push(String(error)))
    turn.end()
    assert.deepEqual(said, [])
    await running
    assert.match(said.join(), /^closed,given back,.*Interrupt/i)
    turn.end()
    await assert.rejects(
      turn.run(async () => assert.fail('it ran')),
      /over/,
    )
    assert.equal(said.length, 3)
  } finally {
    instance.closeSync()
  }
})

test('a turn in which nothing runs is given back at once', async () => {
  const instance = await DuckDBInstance.create(':memory:')
  try {
    let left = 0
    const turn = new Turn(await instance.connect(), () => left++)
    assert.equal((await turn.run(() => turn.connection.runAndReadAll('SELECT 1'))).currentRowCount, 1)
    turn.end()
    turn.end()
    assert.equal(left, 1)
  } finally {
    instance.closeSync()
  }
})
