/** What the tests of verifying and repairing share: a Table of a later epoch, and the rows that a replica shows. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { isBlastyError } from '../../base/errors.ts'
import type { TestLake } from '../lake/testing.ts'
import { logStreamConfig } from '../log/log.ts'
import type { RowChange, WriteOptions } from '../log/writer.ts'
import { Table } from '../table.ts'
import { filmSchema, patience } from '../testing.ts'
import { beginEpoch, type NewEpoch } from './new-epoch.ts'

export const options = (): WriteOptions => ({ principal: 'p', schema: 1, signal: patience() })

export const put = (table: Table, id: string, title: string): RowChange => ({
  op: 'put',
  row: table.schemas.codec.row({ id, title }, 'row'),
})

const opened = new WeakMap<TestLake, Table[]>()

/** The Table in an epoch, with nothing in its cache. Its log may be lost or begun anew: that its replica then stops is no fault. */
export function openEpoch(lake: TestLake, epoch: number): Table {
  const table: Table = new Table(
    { ...lake.open('none').descriptor, epoch },
    {
      streams: lake.on.streams,
      objects: lake.objects,
      dataDirectory: join(lake.folder, randomUUID()),
      onError: error => assert.ok(isBlastyError(error, 'LOG_LOST', 'EPOCH_CHANGED'), String(error)),
    },
  )
  opened.set(lake, [...(opened.get(lake) ?? []), table])
  return table
}

/** Closes the lake and every Table opened on it. */
export async function closeAll(lake: TestLake): Promise<void> {
  for (const table of opened.get(lake) ?? []) await table.close()
  await lake.close()
}

/** Removes the log, as somebody does by mistake. */
export async function loseLog(lake: TestLake): Promise<void> {
  await lake.on.streams.admin.streams.delete(lake.on.log.stream)
}

export function repairLog(table: Table, known: number): Promise<NewEpoch> {
  const { stream, tableUid } = table.log
  const config = { stream, tableUid, maxBytes: 64 * 1024 * 1024, replicas: 1, metadata: {} }
  return beginEpoch({
    log: table.log,
    lake: table.lake,
    schema: filmSchema,
    historySeconds: 3600,
    known,
    config: epoch => logStreamConfig({ ...config, epoch }),
  })
}

/** Id and title of every row that a replica at `revision` shows. */
export async function titles(table: Table, revision = 0): Promise<unknown[]> {
  const snapshot = (await table.reached(revision, 'rows', patience())).snapshot()
  try {
    return [...snapshot.rows()].map(({ row }) => {
      const { id, title } = row.row(table.schemas.codec)
      return [id, title]
    })
  } finally {
    snapshot.close()
  }
}
