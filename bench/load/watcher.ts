/** Load of `freshness`: a live subscriber that notes when each change arrives. */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  SubscriptionService,
  WatchRequestSchema,
  WatchResponseSchema,
} from '../../proto/gen/blasty/v1/subscription_service_pb.js'
import { monotonicMillis } from '../harness/clock.ts'
import { serveLoad } from '../harness/load.ts'
import { connectFrames } from './frames.ts'

type Setup = { readonly grpc: string; readonly token: string; readonly table: { namespace: string; name: string } }

const watchPath = `/${SubscriptionService.typeName}/${SubscriptionService.method.watch.name}`

/** Milliseconds from when a write was due until its event was here. */
let latencies: number[] = []
let waiting: { readonly count: number; readonly resolve: () => void } | undefined
let failure: unknown

const functions = {
  /** Begins to watch; resolves when the watch is set up. */
  open({ grpc, token, table }: Setup): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onMessage = (bytes: Buffer) => {
      const now = monotonicMillis()
      const { message } = fromBinary(WatchResponseSchema, bytes)
      if (message.case === 'ready') resolve()
      if (message.case !== 'events') return
      for (const { newRowJson } of message.value.events) {
        const { due } = JSON.parse(newRowJson ?? '{}') as { due?: number }
        if (due !== undefined && due > 0) latencies.push(now - due)
      }
      if (waiting !== undefined && latencies.length >= waiting.count) waiting.resolve()
    }
    const request = toBinary(WatchRequestSchema, create(WatchRequestSchema, { table }))
    connectFrames(grpc, token)
      .follow(watchPath, request, onMessage)
      .catch(error => {
        failure = error
        reject(error)
        waiting?.resolve()
      })
    return promise
  },

  /** Waits until `count` events of due writes have come since the last call, for at most `seconds` more, and returns their latencies. */
  async take({ count, seconds }: { count: number; seconds: number }): Promise<Float64Array> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, seconds * 1000)
    waiting = { count, resolve }
    if (latencies.length >= count || failure !== undefined) resolve()
    await promise
    clearTimeout(timer)
    waiting = undefined
    if (failure !== undefined) throw failure
    const taken = Float64Array.from(latencies)
    latencies = []
    return taken
  },
}

export type Watcher = typeof functions

serveLoad(functions)
