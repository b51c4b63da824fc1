/** An S3 store as the product uses it: small documents put on condition, streamed objects, presigned addresses. */

import http, { type IncomingHttpHeaders } from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import { Client, CopyConditions, S3Error } from 'minio'
import { BlastyError } from '../../base/errors.ts'
import type { StoreClaims } from './claims.ts'
import { uploadBody } from './multipart.ts'
import { removeNoncurrent } from './noncurrent.ts'
import { type PresignedPut, type PutAnnounced, presignPut } from './presign-put.ts'

export type ObjectStoreOptions = {
  /** Such as `https://minio.storage:9000`. */
  readonly endpoint: string
  readonly region: string
  readonly pathStyle: boolean
  readonly accessKey: string
  readonly secretKey: string
}

export type ObjectInfo = {
  readonly size: number
  readonly etag: string
  readonly type: string
  /** Of the content, in hexadecimal, where the store checked one when it was put. */
  readonly sha256?: string
}

/** `modified` is by the store's clock, in milliseconds since the epoch. */
export type ListedObject = { readonly key: string; readonly size: number; readonly modified: number }

export type ObjectStore = {
  /** How what may be put once is claimed, for a store that overwrites; `plain` is that store itself. */
  readonly claims?: StoreClaims & { readonly plain: ObjectStore }
  readonly bucketExists: (bucket: string) => Promise<boolean>
  /** Makes a bucket; one that is ours already is fine. */
  readonly makeBucket: (bucket: string) => Promise<void>
  /** Removes an empty bucket. */
  readonly removeBucket: (bucket: string) => Promise<void>
  /** The object's bytes, for small documents; undefined when there is none. */
  readonly get: (bucket: string, key: string) => Promise<Buffer | undefined>
  /** Puts a small document. With `ifAbsent`, false means that there is one already. */
  readonly put: (
    bucket: string,
    key: string,
    body: Buffer,
    options?: { ifAbsent?: boolean; type?: string },
  ) => Promise<boolean>
  readonly head: (bucket: string, key: string) => Promise<ObjectInfo | undefined>
  /** Streams an object in, in parts, never whole in memory. A body that breaks off leaves nothing. */
  readonly upload: (
    bucket: string,
    key: string,
    body: AsyncIterable<Uint8Array>,
    options: { type: string },
  ) => Promise<void>
  /** Streams an object, or `length` bytes of it from `offset`. */
  readonly download: (bucket: string, key: string, offset?: number, length?: number) => Promise<Readable>
  /** Copies within the store, without reading the object here. False when there is no `from`, or none with that `etag`. */
  readonly copy: (bucket: string, from: string, to: string, options?: { etag?: string }) => Promise<boolean>
  readonly remove: (bucket: string, keys: readonly string[]) => Promise<void>
  /**
   * Removes, of what lies below a prefix, all that was overwritten or removed and is kept because the bucket has versioning, or had.
   * Returns how many versions there were.
   */
  readonly removeNoncurrent: (bucket: string, prefix: string) => Promise<number>
  /** What lies below a prefix in the order of keys, one page at a time; only keys that sort behind `after` when it is given. */
  readonly list: (bucket: string, prefix: string, options?: { after?: string }) => AsyncGenerator<ListedObject>
  /** An address that may be read for `seconds` by whoever has it. */
  readonly presign: (bucket: string, key: string, seconds: number) => Promise<string>
  /** An address at which just the content announced may be put, for `seconds`, by whoever has it. */
  readonly presignPut: (bucket: string, key: string, seconds: number, content: PutAnnounced) => Promise<PresignedPut>
  /** The same store for one work: when the signal aborts, its requests under way end with BACKEND_UNAVAILABLE, and new ones too. */
  readonly until: (signal: AbortSignal) => ObjectStore
}

export function objectStore(options: ObjectStoreOptions, signal?: AbortSignal): ObjectStore {
  const url = new URL(options.endpoint)
  const client = new Client({
    endPoint: url.hostname,
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    useSSL: url.protocol === 'https:',
    region: options.region,
    pathStyle: options.pathStyle,
    accessKey: options.accessKey,
    secretKey: options.secretKey,
    ...(signal === undefined ? {} : { transport: transportUntil(signal, url.protocol === 'https:' ? https : http) }),
  })
  return {
    bucketExists: bucket => asking(() => client.bucketExists(bucket)),
    makeBucket: bucket =>
      asking(() => client.makeBucket(bucket, options.region)).catch(unless('BucketAlreadyOwnedByYou', undefined)),
    removeBucket: bucket => asking(() => client.removeBucket(bucket)).catch(unless('NoSuchBucket', undefined)),
    get: (bucket, key) =>
      asking(async () => {
        const chunks: Buffer[] = []
        for await (const chunk of await client.getObject(bucket, key)) chunks.push(chunk as Buffer)
        return Buffer.concat(chunks)
      }).catch(unless(['NoSuchKey', 'NotFound'], undefined)),
    put: (bucket, key, body, { ifAbsent = false, type = 'application/json' } = {}) =>
      asking(async () => {
        // A header, not user metadata: the client passes standard header names through.
        const headers = { 'Content-Type': type, ...(ifAbsent ? { 'If-None-Match': '*' } : {}) }
        await client.putObject(bucket, key, body, body.length, headers)
        return true
      }).catch(unless('PreconditionFailed', false)),
    head: (bucket, key) =>
      asking(async () => {
        // The client's own statObject cannot ask for the checksum.
        const headers = { 'x-amz-checksum-mode': 'ENABLED' }
        const answer = await client.makeRequestAsyncOmit({
          method: 'HEAD',
          bucketName: bucket,
          objectName: key,
          headers,
        })
        return infoOf(answer.headers)
      }).catch(unless(['NoSuchKey', 'NotFound'], undefined)),
    upload: (bucket, key, body, { type }) =>
      asking(() => uploadBody(client, bucket, key, body, { 'Content-Type': type })),
    download: (bucket, key, offset = 0, length = 0) =>
      asking(() => client.getPartialObject(bucket, key, offset, length)),
    copy: (bucket, from, to, { etag } = {}) =>
      asking(async () => {
        const conditions = new CopyConditions()
        if (etag !== undefined) conditions.setMatchETag(etag)
        await client.copyObject(bucket, to, `/${bucket}/${from}`, conditions)
        return true
      }).catch(unless(['NoSuchKey', 'PreconditionFailed'], false)),
    remove: (bucket, keys) =>
      asking(async () => {
        const results = await client.removeObjects(bucket, [...keys])
        const failed = results.find(result => result?.Error !== undefined)
        if (failed?.Error) throw new Error(`${failed.Error.Key}: ${failed.Error.Message}`)
      }),
    removeNoncurrent: (bucket, prefix) => asking(() => removeNoncurrent(client, bucket, prefix)),
    list: async function* (bucket, prefix, { after = '' } = {}) {
      const items = client.listObjectsV2(bucket, prefix, true, after)[Symbol.asyncIterator]()
      try {
        for (;;) {
          const { value, done } = await asking(() => items.next())
          if (done) return
          const { name, size, lastModified } = value as { name?: string; size?: number; lastModified?: Date }
          if (name !== undefined) yield { key: name, size: size ?? 0, modified: lastModified?.getTime() ?? Number.NaN }
        }
      } finally {
        await items.return?.()
      }
    },
    presign: (bucket, key, seconds) => asking(() => client.presignedUrl('GET', bucket, key, seconds)),
    presignPut: (bucket, key, seconds, content) =>
      asking(async () => {
        const address = new URL(await client.presignedUrl('PUT', bucket, key, seconds))
        address.search = ''
        return presignPut(address, options, seconds, content)
      }),
    until: signal => objectStore(options, signal),
  }
}

type Transport = NonNullable<ConstructorParameters<typeof Client>[0]['transport']>

/** The client knows no signals; what it sends its requests with does. */
function transportUntil(signal: AbortSignal, { request }: Transport): Transport {
  return {
    request: (to: unknown, ...rest: unknown[]) =>
      Reflect.apply(request, undefined, [{ ...Object(to), signal }, ...rest]),
  }
}

function infoOf(headers: IncomingHttpHeaders): ObjectInfo {
  const checksum = headers['x-amz-checksum-sha256']
  return {
    size: Number(headers['content-length']),
    etag: (headers.etag ?? '').replaceAll('"', ''),
    type: headers['content-type'] ?? 'application/octet-stream',
    ...(typeof checksum === 'string' ? { sha256: Buffer.from(checksum, 'base64').toString('hex') } : {}),
  }
}

/** The S3 error code of an error, looked for in its causes too. */
export function s3Code(error: unknown): string | undefined {
  if (error instanceof S3Error) return error.code
  return error instanceof Error && error.cause !== undefined ? s3Code(error.cause) : undefined
}

function unless<T>(codes: string | readonly string[], value: T): (error: unknown) => T {
  return error => {
    const code = s3Code(error)
    if (code !== undefined && codes.includes(code)) return value
    throw error
  }
}

async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    const code = s3Code(error)
    const problem = error instanceof Error ? error.message || error.name : String(error)
    if (code === undefined)
      throw new BlastyError('BACKEND_UNAVAILABLE', { backend: 'object store', problem }, { cause: error })
    throw new BlastyError(
      'BACKEND_REFUSED',
      { backend: 'object store', problem: `${code}: ${problem}` },
      { cause: error },
    )
  }
}
