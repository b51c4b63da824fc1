/** A proxy that passes bytes on, counts connections, and can let one go dead without closing it. */
import { connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** Connections made so far. */
  readonly connections: number
  /** Passes nothing more on any connection there is; later ones work. */
  freeze(): void
  close(): Promise<void>
}

export async function startTcpProxy(upstreamPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer(client => {
    connections += 1
    const upstream = connect(upstreamPort, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return {
    port: address.port,
    get connections() {
      return connections
    },
    freeze: () => {
      for (const socket of sockets) socket.unpipe().pause()
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
