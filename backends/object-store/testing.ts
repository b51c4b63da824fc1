/** A way to an object store on which answers can stay out for ever, with the connections open. */

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { type ObjectStore, type ObjectStoreOptions, objectStore } from './store.ts'

export type SilentWay = {
  /** The store by this way. */
  readonly objects: ObjectStore
  /** From the `at`-th request on, counted from now, nothing that the store says arrives. Resolves when that request has come. */
  readonly hushAt: (at: number) => Promise<void>
  readonly close: () => Promise<void>
}

const requestLine = /^(GET|HEAD|PUT|POST|DELETE) /

export async function silentWay(options: ObjectStoreOptions): Promise<SilentWay> {
  const to = new URL(options.endpoint)
  const clients = new Set<Socket>()
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  let left = Number.POSITIVE_INFINITY
  const server = createServer(client => {
    const store = connect(Number(to.port), to.hostname)
    clients.add(client)
    client.on('data', bytes => {
      if (requestLine.test(bytes.toString('latin1', 0, 8)) && --left <= 0) ask()
      store.write(bytes)
    })
    store.on('data', bytes => left <= 0 || client.write(bytes))
    const end = () => {
      clients.delete(client)
      client.destroy()
      store.destroy()
    }
    for (const socket of [client, store]) socket.on('close', end).on('error', end)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the way has no port')
  return {
    objects: objectStore({ ...options, endpoint: `http://127.0.0.1:${address.port}` }),
    hushAt: at => {
      left = at
      return asked
    },
    close: async () => {
      for (const client of clients) client.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
