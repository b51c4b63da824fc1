import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { testStack } from '../../devstack/testing.ts'
import { type ObjectStore, objectStore } from './store.ts'
import { silentWay } from './testing.ts'

const bucket = `test-${randomUUID()}`
let store: ObjectStore

before(async () => {
  const stack = await testStack('objectStore')
  store = objectStore({ ...stack.objectStore, pathStyle: true })
  await store.makeBucket(bucket)
})
after(async () => {
  const keys: string[] = []
  for await (const { key } of store.list(bucket, '')) keys.push(key)
  await store.remove(bucket, keys)
  await store.removeBucket(bucket)
})

test('making a bucket twice is no error, and a bucket that is not there is seen not to be', async () => {
  await store.makeBucket(bucket)
  assert.equal(await store.bucketExists(bucket), true)
  assert.equal(await store.bucketExists(`${bucket}-other`), false)
  await store.removeBucket(`${bucket}-other`)
})

test('of two writers of one document with ifAbsent the second is told so and changes nothing', async () => {
  assert.equal(await store.get(bucket, 'schema/1.json'), undefined)
  assert.equal(await store.put(bucket, 'schema/1.json', Buffer.from('first'), { ifAbsent: true }), true)
  assert.equal(await store.put(bucket, 'schema/1.json', Buffer.from('second'), { ifAbsent: true }), false)
  assert.equal((await store.get(bucket, 'schema/1.json'))?.toString(), 'first')
})

test('a listing is in the order of keys, begins behind a key when asked to, and tells when an object was made', async () => {
  const before = Date.now()
  for (const name of ['3', '1', '2', '10']) await store.put(bucket, `listed/${name}`, Buffer.from(name))
  const listed = await Array.fromAsync(store.list(bucket, 'listed/', { after: 'listed/1' }))
  assert.deepEqual(
    listed.map(({ key, size }) => [key, size]),
    [
      ['listed/10', 2],
      ['listed/2', 1],
      ['listed/3', 1],
    ],
  )
  // The store's clock is this machine's here, and some stores tell whole seconds.
  assert.ok(listed.every(({ modified }) => modified >= before - 1000 && modified <= Date.now() + 1000))
  await assert.rejects(Array.fromAsync(store.list(`${bucket}-none`, '')), error =>
    isBlastyError(error, 'BACKEND_REFUSED'),
  )
})

test('a streamed object of unknown size keeps its type, is read in ranges, copied and presigned', async () => {
  await store.upload(bucket, 'up/ä', Readable.from([Buffer.alloc(1000, 1), Buffer.alloc(2000, 2)]), {
    type: 'image/png',
  })
  assert.partialDeepStrictEqual(await store.head(bucket, 'up/ä'), { size: 3000, type: 'image/png' })
  assert.deepEqual(await buffer(await store.download(bucket, 'up/ä', 998, 4)), Buffer.from([1, 1, 2, 2]))
  assert.equal(await store.copy(bucket, 'up/ä', 'copied'), true)
  const { etag = '' } = (await store.head(bucket, 'copied')) ?? {}
  assert.equal(await store.copy(bucket, 'copied', 'again', { etag }), true)
  assert.equal(await store.copy(bucket, 'copied', 'other', { etag: '0'.repeat(32) }), false)
  assert.equal(await store.copy(bucket, 'nothing', 'other'), false)
  assert.equal(await store.head(bucket, 'other'), undefined)
  const response = await fetch(await store.presign(bucket, 'copied', 60))
  assert.equal((await response.arrayBuffer()).byteLength, 3000)
})

test('at a presigned address the store takes just the content announced, once known to the store by its checksum', async () => {
  const body = randomBytes(10_000)
  const sha256 = createHash('sha256').update(body).digest('hex')
  const content = { size: body.length, type: 'image/png', sha256 }
  const { url, headers } = await store.presignPut(bucket, 'put/ä', 60, content)
  const put = async (bytes: Buffer, changed: Record<string, string> = {}) => {
    const answer = await fetch(url, { method: 'PUT', body: new Uint8Array(bytes), headers: { ...headers, ...changed } })
    return [answer.status, /<Code>(\w+)/.exec(await answer.text())?.[1]]
  }
  const other = randomBytes(body.length)
  const itsSum = createHash('sha256').update(other).digest('base64')
  assert.deepEqual(await put(other), [400, 'XAmzContentChecksumMismatch'])
  assert.deepEqual(await put(other, { 'x-amz-checksum-sha256': itsSum }), [403, 'SignatureDoesNotMatch'])
  assert.deepEqual(await put(Buffer.concat([body, body])), [403, 'SignatureDoesNotMatch'])
  assert.deepEqual(await put(body.subarray(1)), [403, 'SignatureDoesNotMatch'])
  assert.deepEqual(await put(body, { 'content-type': 'text/html' }), [403, 'SignatureDoesNotMatch'])
  assert.deepEqual(await put(body, { 'x-amz-meta-more': 'x' }), [400, 'AccessDenied'])
  assert.equal(await store.head(bucket, 'put/ä'), undefined)
  assert.deepEqual(await put(body), [200, undefined])
  assert.partialDeepStrictEqual(await store.head(bucket, 'put/ä'), content)
})

test('a refusal names the code of the store, a store that is away says so', async () => {
  await assert.rejects(
    store.download(bucket, 'nothing'),
    error => isBlastyError(error, 'BACKEND_REFUSED') && /NoSuchKey/.test(error.message),
  )
  const away = objectStore({
    endpoint: 'http://127.0.0.1:1',
    region: 'us-east-1',
    pathStyle: true,
    accessKey: 'a',
    secretKey: 'b',
  })
  await assert.rejects(away.bucketExists('x'), error => isBlastyError(error, 'BACKEND_UNAVAILABLE'))
})

test('requests that are never answered end when their signal aborts', async () => {
  const { objectStore: options } = await testStack('objectStore')
  const way = await silentWay({ ...options, pathStyle: true })
  const stop = new AbortController()
  const objects = way.objects.until(stop.signal)
  await store.put(bucket, 'large', randomBytes(8 * 1024 * 1024))
  const download = await objects.download(bucket, 'large')
  const asked = way.hushAt(1)
  const ended = (work: Promise<unknown>) => assert.rejects(work, { code: 'BACKEND_UNAVAILABLE' })
  const work = [
    assert.rejects(buffer(download)),
    ended(objects.get(bucket, 'large')),
    ended(objects.put(bucket, 'late', Buffer.from('{}'))),
    ended(objects.upload(bucket, 'late', Readable.from([randomBytes(1024)]), { type: 'text/plain' })),
    ended(Array.fromAsync(objects.list(bucket, ''))),
  ]
  await asked
  stop.abort()
  await Promise.all(work)
  await ended(objects.head(bucket, 'large'))
  await way.close()
})
