import assert from 'node:assert/strict'
import { it } from 'node:test'
import { flightChunks } from './flights.ts'

it('flights come in chunks of the size asked for, as rows of the Table', async () => {
  const chunks = await Array.fromAsync(flightChunks(998, 5000))
  assert.deepEqual(
    chunks.map(chunk => chunk.length),
    [998, 998, 998, 998, 998, 10],
  )
  assert.deepEqual(JSON.parse(chunks[0]?.[0] ?? ''), {
    departed: '2001-01-01T00:01:00Z',
    delay_minutes: 33,
    distance_miles: 2176,
    origin: 'LAS',
    destination: 'PHL',
  })
})
