/** Chunks of an import are cut alike however the bytes come, so that one begun again sends the same; and nothing is lost. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from '../../test/random.ts'
import { byteChunks, type Chunk, lineChunks, linesOf, rowChunks } from './chunks.ts'

async function* pieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0
  for (const size of [...sizes, bytes.length]) {
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function* each(rows: readonly string[]): AsyncGenerator<string> {
  yield* rows
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of source) found.push(one)
  return found
}

const contents = (chunks: readonly Chunk[]) => chunks.map(({ content }) => (Buffer.isBuffer(content) ? content : []))

test('bytes are cut into the same chunks whatever pieces they come in', async () => {
  const bytes = Buffer.from(Array.from({ length: 2_500_000 }, (_, i) => i % 251))
  const whole = await all(byteChunks(pieces(bytes, [])))
  assert.deepEqual(
    whole.map(({ weight }) => weight),
    [1024 * 1024, 1024 * 1024, 2_500_000 - 2 * 1024 * 1024],
  )
  assert.ok(Buffer.concat(contents(whole).map(content => Buffer.from(content))).equals(bytes))
  for (const sizes of [[1, 0, 1_048_575, 1_048_577], Array.from({ length: 300 }, () => 7919), [1024 * 1024]]) {
    assert.deepEqual(await all(byteChunks(pieces(bytes, sizes))), whole)
  }
  assert.deepEqual(await all(byteChunks(pieces(Buffer.alloc(0), []))), [])
})

test('rows fill chunks by number and by size, and every row is in one', async () => {
  const rows = [...Array.from({ length: 2000 }, (_, i) => `{"n":${i}}`), 'x'.repeat(1_500_000), 'y'.repeat(1_500_000)]
  const chunks = await all(rowChunks(each(rows), row => row.length))
  assert.deepEqual(
    chunks.map(({ content }) => content.length),
    [998, 998, 5, 1],
  )
  assert.deepEqual(
    chunks.flatMap(({ content }) => [...content]),
    rows,
  )
  assert.equal(
    chunks.reduce((sum, { weight }) => sum + weight, 0),
    rows.reduce((sum, row) => sum + row.length, 0),
  )
  const lines = await all(lineChunks(each(rows)))
  assert.equal(lines.map(({ content }) => String(content)).join(''), rows.map(row => `${row}\n`).join(''))
})

test('lines are the same wherever the bytes are cut, within a character too', async () => {
  const text = '\ufeff{"a":"ä💡"}\r\n\n  \n{"b":1}\n{"c":2}'
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(12), { maxLength: 8 }), async sizes => {
      assert.deepEqual(await all(linesOf(pieces(Buffer.from(text), sizes))), ['{"a":"ä💡"}\r', '{"b":1}', '{"c":2}'])
    }),
  )
  await assert.rejects(all(linesOf(pieces(Buffer.from('{"a":"\xff"}\n', 'latin1'), []))), TypeError)
  await assert.rejects(all(linesOf(pieces(Buffer.from('ä').subarray(0, 1), []))), TypeError)
})
