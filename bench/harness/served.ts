/** The first call to what has just been created. */

import { setTimeout as sleep } from 'node:timers/promises'
import { RpcError } from '../../facade/grpc/rpc-error.ts'

/** Repeats a first call until the facade has heard of what was just created, for at most five seconds. */
export async function onceServed<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call()
    } catch (error) {
      const soon = ['TABLE_NOT_FOUND', 'TABLE_NOT_READY', 'INDEX_NOT_FOUND', 'INDEX_NOT_READY', 'PERMISSION_DENIED']
      if (attempt === 50 || !(error instanceof RpcError) || !soon.includes(error.reason ?? '')) throw error
      await sleep(100)
    }
  }
}
