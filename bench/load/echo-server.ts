/** A bare grpc-js server whose one method answers a fixed reply: the limit of a unary call. */

import { Server, ServerCredentials } from '@grpc/grpc-js'
import { serveLoad } from '../harness/load.ts'
import { echoPath } from './echo-path.ts'

const asIs = (bytes: Buffer): Buffer => bytes

const functions = {
  /** Starts serving and returns the address. */
  start: ({ replyBytes }: { replyBytes: number }) =>
    new Promise<string>((resolve, reject) => {
      const server = new Server()
      const reply = Buffer.alloc(replyBytes, 1)
      const method = {
        path: echoPath,
        requestStream: false,
        responseStream: false,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      }
      server.addService(
        { echo: method },
        { echo: (_call: unknown, done: (error: null, reply: Buffer) => void) => done(null, reply) },
      )
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
        if (error) reject(error)
        else resolve(`127.0.0.1:${port}`)
      })
    }),
}

export type EchoServer = typeof functions

serveLoad(functions)
