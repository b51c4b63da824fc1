/** A proxy between client and server that loses answers and cuts connections when told to. */
import { connect, createServer, type Socket } from 'node:net'

export type CuttingProxy = AsyncDisposable & {
  readonly address: string
  /** From now on nothing that the server sends on the connections there are reaches the client. */
  readonly swallowAnswers: () => void
  /** Ends all connections there are; later ones work. */
  readonly cut: () => void
}

export async function cuttingProxy(upstream: { readonly host: string; readonly port: number }): Promise<CuttingProxy> {
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>()
  const listener = createServer(client => {
    const server = connect(upstream)
    const pair = { client, server }
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) socket.on('error', end).on('close', end)
    client.pipe(server).pipe(client)
  })
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  const cut = () => {
    for (const { client, server } of [...pairs]) {
      client.destroy()
      server.destroy()
    }
  }
  return {
    address: `127.0.0.1:${address.port}`,
    swallowAnswers: () => {
      for (const { client, server } of pairs) server.unpipe(client).resume()
    },
    cut,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise(resolve => listener.close(resolve))
      cut()
      await closed
    },
  }
}
