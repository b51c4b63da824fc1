/** A way to a real object store on which it overwrites where it was asked not to, as some stores do that take `If-None-Match`. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { type ObjectStoreOptions, objectStore } from './store.ts'

export type OverwritingProxy = AsyncDisposable & {
  readonly endpoint: string
  /** Puts that were asked not to overwrite, and did so if there was something. */
  readonly overwrites: () => number
}

/** The header is signed with the rest of the request, so a put on condition is made anew without it; all else goes through as it is. */
export async function overwritingProxy(store: ObjectStoreOptions): Promise<OverwritingProxy> {
  const upstream = new URL(store.endpoint)
  const plain = objectStore(store)
  let overwrites = 0
  const putAnyway = async (asked: IncomingMessage, answer: ServerResponse) => {
    const body = Buffer.concat(await asked.toArray())
    const [, bucket = '', key = ''] = /^\/([^/]+)\/([^?]+)/.exec(asked.url ?? '') ?? []
    const type = asked.headers['content-type'] ?? 'application/octet-stream'
    await plain.put(bucket, decodeURIComponent(key), body, { type })
    overwrites++
    answer.writeHead(200, { etag: '"overwritten"' }).end()
  }
  const passOn = async (asked: IncomingMessage, answer: ServerResponse) => {
    const { method, url, headers } = asked
    const passed = request({ host: upstream.hostname, port: upstream.port, method, path: url, headers })
    const answered = once(passed, 'response')
    answered.catch(() => {})
    await pipeline(asked, passed)
    const [response]: IncomingMessage[] = await answered
    if (response === undefined) throw new Error('no response')
    answer.writeHead(response.statusCode ?? 502, response.headers)
    await pipeline(response, answer)
  }
  const server = createServer((asked, answer) => {
    const condition = asked.method === 'PUT' && asked.headers['if-none-match'] !== undefined
    const done = condition ? putAnyway(asked, answer) : passOn(asked, answer)
    // Whoever asked, or the store, broke off: the other end is to see it.
    done.catch(() => answer.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    overwrites: () => overwrites,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
