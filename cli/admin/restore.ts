/** `blasty restore`: rows as they were at a time, by ordinary writes. */

import { versionAsOf } from '../../engine/repair/as-of.ts'
import { type Restored, restore } from '../../engine/repair/restore.ts'
import { type AdminOptions, openAdminTable, withTable } from './connect.ts'
import { say } from './verb.ts'

export type RestoreVerbOptions = AdminOptions & {
  readonly asOf?: string
  readonly version?: string
  readonly into?: string
  readonly yes?: boolean
}

/** Returns the exit code. */
export async function restoreTable(name: string, options: RestoreVerbOptions, signal: AbortSignal): Promise<number> {
  const { asOf, version, into } = options
  if ((asOf === undefined) === (version === undefined)) throw new Error('say as of when: --as-of or --version')
  const time = asOf === undefined ? undefined : Date.parse(asOf)
  if (time !== undefined && Number.isNaN(time)) throw new Error(`--as-of ${asOf} is not a time`)
  if (version !== undefined && !/^\d+$/.test(version)) throw new Error(`--version ${version} is not a version`)
  const source = await openAdminTable(name, options)
  try {
    return await withTable(source, async (from, directory) => {
      const wanted = time === undefined ? Number(version) : await versionAsOf(from.lake, time)
      const namespace = source.resource.metadata.namespace
      const target = into === undefined ? name : `${namespace}/${into}`
      say(`${target} gets the rows of version ${wanted} of the lake of ${name}`)
      if (options.yes !== true) {
        say('nothing was done; --yes writes them')
        return 1
      }
      const onProgress = ({ put, deleted }: Restored) => say(`${put} rows put, ${deleted} deleted`)
      const work = { from, version: wanted, directory, signal, onProgress }
      if (into === undefined) return told(await restore({ ...work, into: from }))
      const other = await openAdminTable(target, options)
      try {
        return await withTable(other, async opened => told(await restore({ ...work, into: opened })))
      } finally {
        await other.close()
      }
    })
  } finally {
    await source.close()
  }
}

function told({ put, deleted, same, revision }: Restored): number {
  say(`done: ${put} rows put, ${deleted} deleted, ${same} were as they are to be`)
  if (revision > 0) say(`up to revision ${revision}`)
  return 0
}
