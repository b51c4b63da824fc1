/** What the routes share. */
import type { Payload } from './execute.ts'
import type { Answer } from './http.ts'
import { checkIndex } from './http.ts'
import type { Indexes } from './indexes.ts'
import type { Json } from './json.ts'
import type { Keys } from './keys.ts'
import type { Store } from './store.ts'
import type { TaskQueue, TaskType } from './tasks.ts'

export type Context = {
  store: Store
  queue: TaskQueue
  indexes: Indexes
  keys: Keys
  /** Milliseconds, for durations. */
  clock: () => number
  newUid: () => string
  checkIndex: typeof checkIndex
  /** Writes a task down and answers 202. */
  enqueue: (
    type: TaskType,
    indexUid: string | null,
    details: { [name: string]: Json },
    payload: Payload,
  ) => Promise<Answer>
}

export function createContext(given: Omit<Context, 'enqueue' | 'checkIndex'>): Context {
  return {
    ...given,
    checkIndex,
    enqueue: async (type, indexUid, details, payload) => {
      const task = await given.queue.enqueue({ type, indexUid, details, payload: JSON.stringify(payload) })
      const { uid, enqueuedAt } = task
      return { status: 202, body: { taskUid: uid, indexUid, status: 'enqueued', type, enqueuedAt } }
    },
  }
}
