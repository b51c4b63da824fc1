/** A stream like a Table's log, for what is written past the facade. */

import { connectStreams } from '../../backends/streams/connect.ts'
import { logStreamConfig } from '../../engine/log/log.ts'

export type StreamsAccess = { readonly servers: readonly string[]; readonly user: string; readonly password: string }

/** Creates it with the settings of a log, and returns what its subjects start with. */
export async function createRawStream(access: StreamsAccess): Promise<string> {
  const name = 'bench-raw'
  const log = { stream: name, tableUid: name, maxBytes: 20 * 1024 ** 3, replicas: 1, epoch: 0, metadata: {} }
  const streams = await connectStreams({ ...access, name: 'bench' })
  try {
    await streams.admin.streams.add(logStreamConfig(log))
  } finally {
    await streams.close()
  }
  return `${name}.${log.epoch}`
}
