/** What a log's server says beside what the log holds: the time, and how full it is. */

import { reason } from '../../backends/streams/connect.ts'
import { BlastyError } from '../../base/errors.ts'
import type { ChangeLog } from '../log/log.ts'

/** `time`: milliseconds since 1970; a server that does not tell it stands at its newest record. `full`: a share of the log's size. */
export type ServerSays = { readonly time: number; readonly full: number }

/** @throws BACKEND_UNAVAILABLE */
export async function askServer({ stream, streams }: ChangeLog): Promise<ServerSays> {
  try {
    const { ts, state, config } = await streams.admin.streams.info(stream)
    const time = Date.parse(ts ?? state.last_ts)
    return { time: Number.isNaN(time) ? 0 : time, full: config.max_bytes > 0 ? state.bytes / config.max_bytes : 0 }
  } catch (error) {
    const details = { backend: 'streams server', problem: reason(error) }
    throw new BlastyError('BACKEND_UNAVAILABLE', details, { cause: error })
  }
}

/** The time that the server and this process both say has come: rows are removed too early only when both clocks are ahead. */
export async function agreedNow(log: ChangeLog, now: () => number): Promise<number> {
  const { time } = await askServer(log)
  return Math.min(time, now())
}
