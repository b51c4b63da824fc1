/** Forgetting in the log: every record on the subject of a key, up to the erasure, is overwritten. */

import { eraseMessages, nextMessage } from '../../backends/streams/messages.ts'
import type { ChangeLog } from '../log/log.ts'
import { declareFloor } from '../log/retention.ts'
import type { Targets } from './targets.ts'

/**
 * The lake must hold the last revision of the targets: whoever follows the log and stands before it finds a hole and begins with the lake.
 * Returns how many records were erased. Stopped anywhere and done again it goes on.
 * @throws BACKEND_UNAVAILABLE, LOG_FULL
 */
export async function eraseFromLog(log: ChangeLog, { keys, revision }: Targets, signal: AbortSignal): Promise<number> {
  const { streams, stream, subjects } = log
  // First: whoever then finds nothing on the subject of a row asks a replica that has passed the erasure. It also leaves a
  // record behind the holes, by which a follower that waits at the end of the log learns of them.
  await declareFloor(log, revision)
  let erased = 0
  for (const { key, upTo } of keys) {
    // In their order, so that what is last on the subject is the newest all the while.
    for (let from = 1; ; ) {
      signal.throwIfAborted()
      const message = await nextMessage(streams, stream, subjects.key(key), from)
      if (message === null || message.seq > upTo) break
      await eraseMessages(streams, stream, [message.seq])
      erased++
      from = message.seq + 1
    }
  }
  return erased
}

/** Erases the records that asked for erasures: nothing is left to be done. They hold keys. */
export async function eraseRequests(log: ChangeLog, ids: readonly string[], upTo: number): Promise<void> {
  const { streams, stream, subjects } = log
  for (const id of ids) {
    for (let from = 1; ; ) {
      const message = await nextMessage(streams, stream, subjects.erase(id), from)
      if (message === null || message.seq > upTo) break
      await eraseMessages(streams, stream, [message.seq])
      from = message.seq + 1
    }
  }
}
