/** Waiting for a task of the search server: quick at first, so that one document is found within milliseconds, then ever slower. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Task } from 'meilisearch'
import { searchError, TaskFailure } from './errors.ts'

/** Pauses between two looks, in milliseconds; the last one repeats. */
const pauses = [1, 2, 3, 5, 5, 10, 10, 20, 20, 50, 50, 100, 100, 200, 250] as const

/**
 * Looks until the task has ended.
 * @throws BACKEND_REFUSED or INDEX_NOT_FOUND caused by a `TaskFailure`; what `look` throws; the signal's reason
 */
export async function waitForTask(look: () => Promise<Task>, index: string, signal?: AbortSignal): Promise<void> {
  for (let turn = 0; ; turn++) {
    const task = await look()
    if (task.status === 'succeeded') return
    if (task.status === 'failed' || task.status === 'canceled') {
      const { code, message } = task.error ?? { code: 'task_canceled', message: 'the task was canceled' }
      throw searchError(new TaskFailure(task.uid, code, message), index)
    }
    await pause(pauses[turn] ?? 250, signal)
  }
}

async function pause(millis: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(millis, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    throw signal?.reason ?? error
  }
}
