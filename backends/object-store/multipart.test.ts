import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MultipartClient, uploadBody } from './multipart.ts'

const mebibyte = 1024 * 1024

/** A store that notes what it is asked; the fault is at the `failing`-th part. */
function store(failing = 0) {
  const state = { parts: [] as number[], puts: [] as number[], completed: 0, aborted: 0, onPart: () => {} }
  const client: MultipartClient = {
    putObject: async (_bucket: string, _key: string, body: unknown) => {
      state.puts.push(Buffer.isBuffer(body) ? body.length : -1)
      return { etag: 'e', versionId: null }
    },
    initiateNewMultipartUpload: async () => 'upload',
    uploadPart: async ({ partNumber }, payload) => {
      state.onPart()
      await new Promise(resolve => setImmediate(resolve))
      if (partNumber === failing) throw new Error('the store is away')
      state.parts.push(payload?.length ?? -1)
      return { etag: `e${partNumber}`, key: 'k', part: partNumber }
    },
    completeMultipartUpload: async (_bucket, _key, _upload, etags) => {
      assert.deepEqual(
        etags.map(({ part, etag }) => `${part} ${etag}`),
        state.parts.map((_, index) => `${index + 1} e${index + 1}`),
      )
      state.completed++
      return { etag: 'e', versionId: null }
    },
    abortMultipartUpload: async () => {
      state.aborted++
    },
  }
  return { client, state }
}

async function* body(chunks: number, bytes: number, broken?: Error) {
  for (let i = 0; i < chunks; i++) yield new Uint8Array(bytes)
  if (broken) throw broken
}

test('what fits into one part is put at once, the empty body too', async () => {
  const { client, state } = store()
  await uploadBody(client, 'b', 'k', body(0, 0), {})
  await uploadBody(client, 'b', 'k', body(8, mebibyte), {})
  assert.deepEqual([state.puts, state.parts], [[0, 8 * mebibyte], []])
})

test('a larger body goes in parts, and is read no further ahead than one of them', async () => {
  const { client, state } = store()
  let read = 0
  const reading = async function* () {
    for (const chunk of [3, 20, 1, 6, 9]) {
      read += chunk * mebibyte
      yield new Uint8Array(chunk * mebibyte)
    }
  }
  state.onPart = () => {
    const stored = state.parts.reduce((sum, size) => sum + size, 0)
    assert.ok(read - stored <= (16 + 20) * mebibyte, `${(read - stored) / mebibyte} MiB ahead`)
  }
  await uploadBody(client, 'b', 'k', reading(), {})
  assert.deepEqual(
    state.parts.map(size => size / mebibyte),
    [8, 8, 8, 8, 7],
  )
  assert.deepEqual([state.completed, state.aborted], [1, 0])
})

test('an upload that breaks off, on either side, is taken back', async () => {
  const broken = new Error('the client left')
  for (const chunks of [10, 17, 40]) {
    const { client, state } = store()
    await assert.rejects(uploadBody(client, 'b', 'k', body(chunks, mebibyte, broken), {}), broken)
    // Before the second part is full nothing has been begun.
    assert.deepEqual([state.completed, state.aborted, state.puts], [0, chunks > 16 ? 1 : 0, []])
  }
  const { client, state } = store(3)
  await assert.rejects(uploadBody(client, 'b', 'k', body(40, mebibyte), {}), /the store is away/)
  assert.deepEqual([state.completed, state.aborted], [0, 1])
})
