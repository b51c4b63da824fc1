/** Records stand in their files as they came, in order and whole, and what cannot be written is told. */

import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import { test } from 'node:test'
import fc, { runs } from '../../test/random.ts'
import { temporaryFolder } from '../testing.ts'
import { RecordFiles } from './record-files.ts'

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const { path, remove } = await temporaryFolder()
  try {
    await work(path)
  } finally {
    await remove()
  }
}

const bodyOf = (bytes: number, fill: string) => Buffer.from(`["${''.padEnd(bytes, fill)}"]`)
const size = fc.oneof(fc.nat(40), fc.integer({ min: 8_000, max: 8_400 }), fc.nat(1_000_000))

test('every record is a line, in the order in which they came, whatever their sizes', () =>
  fc.assert(
    fc.asyncProperty(fc.array(size, { maxLength: 12 }), sizes =>
      inFolder(async folder => {
        const records = new RecordFiles(folder)
        const lines: string[] = []
        for (const [index, bytes] of sizes.entries()) {
          const body = bodyOf(bytes, index % 2 === 0 ? 'é' : '\u{1f6eb}')
          lines.push(`{"n":${index},"rows":${body}}\n`)
          await records.add(`"n":${index}`, body)
        }
        const bytes = Buffer.byteLength(lines.join(''))
        assert.equal(records.bytes, bytes)
        const files = await records.close()
        const texts = await Promise.all(files.map(file => readFile(file, 'utf8')))
        assert.equal(texts.join(''), lines.join(''))
        assert.ok(texts.every(text => text.endsWith('\n')))
        assert.ok(files.length <= 1 + bytes / (2 * 1024 * 1024))
      }),
    ),
    { numRuns: runs(40) },
  ))

test('many small records go into few files', () =>
  inFolder(async folder => {
    const records = new RecordFiles(folder)
    for (let index = 0; index < 30_000; index++) await records.add(`"n":${index}`, bodyOf(100, 'x'))
    const files = await records.close()
    assert.equal(files.length, 2)
    const texts = await Promise.all(files.map(file => readFile(file, 'utf8')))
    const numbers = [...texts.join('').matchAll(/"n":(\d+)/g)].map(([, number]) => Number(number))
    assert.deepEqual(
      numbers,
      Array.from({ length: 30_000 }, (_, index) => index),
    )
  }))

test('a file that cannot be written fails what comes next, and the end', () =>
  inFolder(async folder => {
    const records = new RecordFiles(folder)
    await rm(folder, { recursive: true })
    const add = async () => {
      for (let index = 0; index < 9; index++) await records.add('"n":1', bodyOf(900_000, 'x'))
    }
    await assert.rejects(add(), { code: 'ENOENT' })
    await assert.rejects(records.close(), { code: 'ENOENT' })
    await records.discard()
  }))
