/** The files that a window becomes: written in its folder while others are committed, and put into the bucket when it is its turn. */

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Action } from './delta/actions.ts'
import { changePath, type DeltaLake, dataPath } from './delta/lake.ts'
import { addFile } from './files.ts'
import { uploadFile } from './objects.ts'
import type { ParquetFiles, WrittenFile } from './parquet.ts'
import type { SharedParquet } from './shared-parquet.ts'
import { committedTag } from './versions.ts'
import type { OpenWindow } from './waiting-windows.ts'
import type { ClosedWindow } from './window.ts'

type LocalFile = WrittenFile & { readonly path: string }

export type WrittenWindow = {
  readonly closed: ClosedWindow
  readonly rows: LocalFile | undefined
  readonly changes: LocalFile | undefined
}

/** Ends a window and writes its files. */
export async function writeWindow(
  { window, schema, folder }: OpenWindow,
  parquet: SharedParquet,
): Promise<WrittenWindow> {
  const closed = await window.close()
  const write = async (name: string, work: (files: ParquetFiles, to: string) => Promise<WrittenFile>) => {
    const path = join(folder, name)
    return { ...(await parquet.use(files => work(files, path))), path }
  }
  const { rows, changes } = closed
  return {
    closed,
    rows:
      rows &&
      (await write('rows.parquet', (files, to) =>
        rows.lines === 'records' ? files.writeRecords(schema, rows.files, to) : files.writeRows(schema, rows.file, to),
      )),
    changes:
      changes === undefined
        ? undefined
        : await write('changes.parquet', (files, to) => files.writeChanges(schema, changes, to)),
  }
}

/** Puts the files into the bucket. Returns the actions that add them, and where the rows lie in the lake. */
export async function uploadWindow(
  lake: DeltaLake,
  { closed, rows, changes }: WrittenWindow,
  time: number,
): Promise<{ readonly actions: Action[]; readonly rowsPath: string | undefined }> {
  const uuid = randomUUID()
  const committed = { [committedTag]: String(closed.committed) }
  const actions: Action[] = []
  if (rows !== undefined) {
    const tags = { ...(await uploadFile(lake, dataPath(uuid), rows.path)), ...committed }
    actions.push({ add: addFile(dataPath(uuid), rows, tags, time, true) })
  }
  if (changes !== undefined) {
    const path = changePath(uuid)
    const tags = { ...(await uploadFile(lake, path, changes.path)), ...committed }
    actions.push({ cdc: { path, partitionValues: {}, size: changes.bytes, dataChange: false, tags } })
  }
  return { actions, rowsPath: rows && dataPath(uuid) }
}
