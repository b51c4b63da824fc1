/** A process of its own that runs statements sent to it within small limits, for the test of bombs. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isBlastyError } from '../../base/errors.ts'
import { SqlDatabases } from './databases.ts'
import { runQuery } from './query.ts'

/** How a statement ended: the code of its error, or `rows`. */
export type Outcome = {
  readonly code: string
  readonly message: string
  /** Most bytes that the process has had resident. */
  readonly peak: number
}

const timeoutMillis = 300
/** Enough to see that rows come without end. */
const maxRows = 1_000_000

const folder = await mkdtemp(join(tmpdir(), 'blasty-bombs-'))
const databases = new SqlDatabases(folder, { memory: '200MB', threads: 2 })

async function run(sql: string): Promise<Outcome> {
  const outcome = (code: string, message: string) => ({ code, message, peak: process.resourceUsage().maxRSS * 1024 })
  try {
    const parts = runQuery({
      sql,
      parameters: [],
      format: 'columns',
      maxRows,
      visible: new Set(),
      database: () => databases.of('test'),
      admit: signal => databases.admit('test', signal),
      memory: databases.memory,
      freshen: async () => {},
      timeoutMillis,
      signal: new AbortController().signal,
    })
    for await (const _ of parts);
    return outcome('rows', '')
  } catch (error) {
    return isBlastyError(error) ? outcome(error.code, error.message) : outcome('other', String(error))
  }
}

process.on('message', (sql: string) => {
  void run(sql).then(outcome => process.send?.(outcome))
})
process.once('disconnect', async () => {
  await databases.close()
  await rm(folder, { recursive: true, force: true })
  process.exit()
})
process.send?.('ready')
