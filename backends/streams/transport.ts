/**
 * The connection to the streams server as its client wants it, but for how it reads: each message of some size goes straight into
 * memory of its own. Node reads 64 KiB at a time into a buffer each, which the client then puts together by doubling, so that what is
 * large would be allocated four times over, and V8 collects garbage by that.
 */

import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { type ConnectionOptions, NatsConnectionImpl, setTransportFactory } from '@nats-io/nats-core/internal'
import type { NatsConnection } from '@nats-io/transport-node'
import { NodeTransport, nodeResolveHost } from '@nats-io/transport-node/lib/node_transport.js'
import { Frames } from './frames.ts'

/** As the client's own `connect`, for addresses that are no web sockets. */
export function connect(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new FramingTransport(), dnsResolveFn: nodeResolveHost })
  return NatsConnectionImpl.connect(options)
}

class FramingTransport extends NodeTransport {
  /** Where the server wants TLS, that is spoken on top and reads by itself. */
  override async dial({ hostname, port }: { hostname: string; port: number }): Promise<Socket> {
    const frames = new Frames()
    const socket = createConnection({
      host: hostname,
      port,
      noDelay: true,
      onread: {
        buffer: () => frames.room,
        callback: bytes => {
          const received = frames.received(bytes)
          if (received !== undefined) socket.emit('data', received)
          return true
        },
      },
    })
    await once(socket, 'connect')
    return socket
  }
}
