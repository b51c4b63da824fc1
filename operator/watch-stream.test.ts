import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FakeClock } from './testing/fake-clock.ts'
import { readLines, withSilenceLimit } from './watch-stream.ts'

const lines = (...chunks: Uint8Array[]) => Array.fromAsync(readLines(ReadableStream.from(chunks), () => {}))
const bytes = (text: string) => new TextEncoder().encode(text)

describe('lines of a watch', () => {
  it('are whole however the bytes arrive, in the middle of a character too', async () => {
    const all = bytes('{"a":"é"}\n{"b":1}\n')
    assert.deepEqual(await lines(all.slice(0, 7), all.slice(7, 8), all.slice(8)), ['{"a":"é"}', '{"b":1}'])
  })

  it('fail when the stream is cut in the middle of one', async () => {
    await assert.rejects(lines(bytes('{"a":1}\n{"b"')), /middle of a line/)
  })
})

describe('the limit of silence', () => {
  it('aborts after too long a silence and not before, each sign of life beginning anew', async () => {
    const clock = new FakeClock()
    const limit = withSilenceLimit(clock, 100, new AbortController().signal)
    await clock.advance(99)
    limit.heard(1000)
    await clock.advance(999)
    assert.equal(limit.signal.aborted, false)
    await clock.advance(1)
    assert.equal(limit.signal.aborted, true)
    assert.equal(limit.wasSilent(), true)
  })

  it('passes on the abort of its parent, which is no silence, and leaves no timer when ended', () => {
    const clock = new FakeClock()
    const parent = new AbortController()
    const limit = withSilenceLimit(clock, 100, parent.signal)
    parent.abort()
    assert.equal(limit.signal.aborted, true)
    assert.equal(limit.wasSilent(), false)
    limit.end()
    assert.equal(clock.timers, 0)
  })
})
