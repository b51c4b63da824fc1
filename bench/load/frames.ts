/**
 * A gRPC client that costs next to nothing: HTTP/2 frames (RFC 9113) written and read by hand on one socket. Load shares the machine
 * with what is measured, and a client library takes as much of it as half a server. It knows what these calls need and no more:
 * requests of one frame, no header of an answer is read. A call that was answered with a message succeeded; one that failed has none.
 */

import { connect, type Socket } from 'node:net'
import { headerBlocks } from './header-blocks.ts'

export type FrameClient = {
  /** A unary call. `path` is `/package.Service/Method`. Rejects when it is answered without a message, or the connection ends. */
  readonly call: (path: string, message: Uint8Array) => Promise<Buffer>
  /** A server stream: `onMessage` is told each message. Rejects when it ends, which these streams never do by themselves. */
  readonly follow: (path: string, message: Uint8Array, onMessage: (message: Buffer) => void) => Promise<never>
  readonly close: () => void
}

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const frameHead = 9
const messageHead = 5
/** Section 4.2: what every peer takes. */
const maxFrameBytes = 16_384
/** Section 6.9.2: what may be under way to the server before it grants more. */
const initialWindow = 65_535
const greatestWindow = 2 ** 31 - 1

const frames = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const
const flags = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8 } as const
const settings = { enablePush: 2, initialWindowSize: 4 } as const

type Call = {
  readonly onMessage: (message: Buffer) => void
  readonly onEnd: (problem: string) => void
  /** Bytes of a message that is not whole yet. */
  rest: Buffer
}

/** Connects to `host:port` in plain text; `token` is sent with every call. */
export function connectFrames(address: string, token: string): FrameClient {
  const at = address.lastIndexOf(':')
  const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)), noDelay: true })
  const calls = new Map<number, Call>()
  const block = headerBlocks([
    [':authority', address],
    ['te', 'trailers'],
    ['content-type', 'application/grpc'],
    ['authorization', `Bearer ${token}`],
  ])
  const send = sender(socket)
  let next = 1
  let over: string | undefined

  send.now(Buffer.concat([Buffer.from(preface), greeting(), windowUpdate(greatestWindow - initialWindow)]))
  const end = (problem: string) => {
    over ??= problem
    socket.destroy()
    for (const call of calls.values()) call.onEnd(problem)
    calls.clear()
  }
  const finish = (id: number, problem: string) => {
    const call = calls.get(id)
    calls.delete(id)
    call?.onEnd(problem)
  }
  const onFrame = (type: number, flag: number, id: number, payload: Buffer) => {
    switch (type) {
      case frames.data: {
        const call = calls.get(id)
        if (flag & flags.padded) end('a padded frame came')
        else if (call !== undefined) call.rest = messagesOf(call.rest, payload, call.onMessage)
        if (flag & flags.endStream) finish(id, 'the call ended')
        break
      }
      case frames.headers:
        if (flag & flags.endStream) finish(id, 'the call ended')
        break
      case frames.reset:
        finish(id, `the call was reset with error ${payload.readUInt32BE(0)}`)
        break
      case frames.settings:
        if (!(flag & flags.ack)) send.now(frame(frames.settings, flags.ack, 0))
        break
      case frames.ping:
        if (!(flag & flags.ack)) send.now(frame(frames.ping, flags.ack, 0, payload))
        break
      case frames.goAway:
        end('the server said goodbye')
        break
      case frames.windowUpdate:
        if (id === 0) send.grant(payload.readUInt32BE(0))
    }
  }
  socket.on('data', frameReader(onFrame))
  socket.once('error', error => end(error.message))
  socket.once('close', () => end('the connection was closed'))

  const start = (path: string, message: Uint8Array, call: Omit<Call, 'rest'>) => {
    if (over !== undefined) return call.onEnd(over)
    if (message.length + messageHead > maxFrameBytes) throw new RangeError(`a request of ${message.length} bytes`)
    const id = next
    next += 2
    calls.set(id, { ...call, rest: Buffer.alloc(0) })
    const length = Buffer.alloc(messageHead)
    length.writeUInt32BE(message.length, 1)
    send.counted(
      Buffer.concat([
        frame(frames.headers, flags.endHeaders, id, block(path)),
        frame(frames.data, flags.endStream, id, length, message),
      ]),
      message.length + messageHead,
    )
  }
  return {
    call: (path, message) =>
      new Promise((resolve, reject) => {
        let answer: Buffer | undefined
        const onMessage = (bytes: Buffer) => {
          answer = bytes
        }
        const onEnd = (problem: string) => {
          if (answer === undefined) reject(new Error(`${path} was not answered: ${problem}`))
          else resolve(answer)
        }
        start(path, message, { onMessage, onEnd })
      }),
    follow: (path, message, onMessage) =>
      new Promise((_, reject) => {
        start(path, message, { onMessage, onEnd: problem => reject(new Error(`${path} ended: ${problem}`)) })
      }),
    close: () => end('the client was closed'),
  }
}

/** Writes what is sent in one turn at once, and holds back requests that the server has no window for. */
function sender(socket: Socket) {
  let window = initialWindow
  const held: { readonly bytes: Buffer; readonly size: number }[] = []
  let corked = false
  const now = (bytes: Buffer) => {
    if (!corked) {
      corked = true
      socket.cork()
      process.nextTick(() => {
        corked = false
        socket.uncork()
      })
    }
    socket.write(bytes)
  }
  const flush = () => {
    for (let first = held[0]; first !== undefined && first.size <= window; first = held[0]) {
      held.shift()
      window -= first.size
      now(first.bytes)
    }
  }
  return {
    now,
    /** `size` bytes of it count against the connection's window (section 6.9). */
    counted: (bytes: Buffer, size: number) => {
      held.push({ bytes, size })
      flush()
    },
    grant: (size: number) => {
      window += size
      flush()
    },
  }
}

function frame(type: number, flag: number, id: number, ...payload: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(frameHead)
  head.writeUIntBE(
    payload.reduce((sum, part) => sum + part.length, 0),
    0,
    3,
  )
  head.writeUInt8(type, 3)
  head.writeUInt8(flag, 4)
  head.writeUInt32BE(id, 5)
  return Buffer.concat([head, ...payload])
}

function greeting(): Buffer {
  const payload = Buffer.alloc(12)
  payload.writeUInt16BE(settings.enablePush, 0)
  payload.writeUInt16BE(settings.initialWindowSize, 6)
  payload.writeUInt32BE(greatestWindow, 8)
  return frame(frames.settings, 0, 0, payload)
}

function windowUpdate(size: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(size)
  return frame(frames.windowUpdate, 0, 0, payload)
}

function frameReader(onFrame: (type: number, flag: number, id: number, payload: Buffer) => void) {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (bytes.length - at >= frameHead) {
      const end = at + frameHead + bytes.readUIntBE(at, 3)
      if (end > bytes.length) break
      const id = bytes.readUInt32BE(at + 5) & greatestWindow
      onFrame(bytes.readUInt8(at + 3), bytes.readUInt8(at + 4), id, bytes.subarray(at + frameHead, end))
      at = end
    }
    rest = bytes.subarray(at)
  }
}

/** Hands on the messages that are whole, each behind a byte and its length; returns what is left. */
function messagesOf(rest: Buffer, payload: Buffer, onMessage: (message: Buffer) => void): Buffer {
  const bytes = rest.length === 0 ? payload : Buffer.concat([rest, payload])
  let at = 0
  while (bytes.length - at >= messageHead) {
    const end = at + messageHead + bytes.readUInt32BE(at + 1)
    if (end > bytes.length) break
    onMessage(bytes.subarray(at + messageHead, end))
    at = end
  }
  return bytes.subarray(at)
}
