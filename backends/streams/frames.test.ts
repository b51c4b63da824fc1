/** Whatever the pieces are in which the server's bytes come, they are handed on in order, and each message whole. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc, { runs } from '../../test/random.ts'
import { Frames, giveBack } from './frames.ts'

const withPayload = (line: string, bytes: number) =>
  Buffer.concat([Buffer.from(line), Buffer.alloc(bytes, 'x\n'), Buffer.from('\r\n')])
const messageOf = (bytes: number) => withPayload(`MSG _INBOX.a 1 $JS.ACK.9.9 ${bytes}\r\n`, bytes)
const withHeaders = (bytes: number) => withPayload(`HMSG subject.7 12 0 ${bytes}\r\n`, bytes)

/** Puts bytes in as they would be read, at most so many at a time, and returns what comes out. */
function read(frames: Frames, bytes: Buffer, sizes: () => number): Buffer[] {
  const handed: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const { room } = frames
    assert.ok(room.length > 0)
    const taken = bytes.copy(room, 0, at, at + Math.min(sizes(), room.length))
    at += taken
    const whole = frames.received(taken)
    if (whole !== undefined) handed.push(whole)
  }
  return handed
}

/** Where each of them ends when they stand one behind another. */
const endsOf = (pieces: readonly Buffer[]) => pieces.map((_, index) => Buffer.concat(pieces.slice(0, index + 1)).length)

const size = fc.oneof(
  fc.nat(300),
  fc.integer({ min: 32_600, max: 33_000 }),
  fc.integer({ min: 65_300, max: 65_700 }),
  fc.nat(300_000),
)
const message = fc.oneof(
  fc.constantFrom('PING\r\n', '+OK\r\n', "-ERR 'no'\r\n", 'INFO {"max_payload": 7}\r\n').map(line => Buffer.from(line)),
  size.map(messageOf),
  size.map(withHeaders),
)

test('messages come out whole and in order, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 12 }),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 100_000 })), { minLength: 1 }),
      (messages, sizes) => {
        let turn = 0
        const handed = read(new Frames(), Buffer.concat(messages), () => sizes[turn++ % sizes.length] ?? 1)
        assert.ok(Buffer.concat(handed).equals(Buffer.concat(messages)))
        const ends = new Set(endsOf(messages))
        assert.ok(endsOf(handed).every(end => ends.has(end)))
      },
    ),
    { numRuns: runs(100) },
  )
})

test('what was handed on stays as it is, and keeps no more memory than it has bytes', () => {
  const frames = new Frames()
  const messages = [messageOf(10_000), messageOf(10), withHeaders(200_000), messageOf(20_000)]
  const handed = messages.flatMap(one => read(frames, one, () => one.length))
  read(frames, Buffer.concat(messages), () => 50_000)
  assert.ok(Buffer.concat(handed).equals(Buffer.concat(messages)))
  for (const { buffer, length } of handed) assert.ok(buffer.byteLength <= Math.max(length, Buffer.poolSize))
})

test('a line longer than is read at a time is waited for', () => {
  const info = Buffer.from(`INFO {"connect_urls": ["${'127.0.0.1:4222,'.repeat(20_000)}"]}\r\n`)
  const handed = read(new Frames(), info, () => 9_000)
  assert.deepEqual(
    handed.map(({ length }) => length),
    [info.length],
  )
})

test('only a payload that has its memory to itself is given back', () => {
  const frames = new Frames()
  const [large, two] = [withHeaders(200_000), Buffer.concat([messageOf(10), messageOf(20_000)])]
  const [alone, shared] = [large, two].flatMap(one => read(frames, one, () => one.length))
  const payload = alone?.subarray(20)
  assert.ok(alone !== undefined && payload !== undefined && shared !== undefined)
  for (const bytes of [shared.subarray(40), payload, payload]) giveBack(bytes)
  assert.ok(shared.equals(two))
  assert.deepEqual([alone.buffer.byteLength, payload.length], [0, 0])
})
