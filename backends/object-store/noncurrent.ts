/** Versions of objects that a bucket with versioning keeps of what was overwritten or removed (S3, ListObjectVersions). */

import { type Client, S3Error } from 'minio'

/** Versions removed in one request. */
const pageSize = 1000

type Version = {
  readonly name?: string
  readonly versionId?: string
  readonly isLatest?: boolean
  readonly isDeleteMarker?: boolean
}

/** Removes them below a prefix, with the markers of what was removed. Returns how many there were. */
export async function removeNoncurrent(client: Client, bucket: string, prefix: string): Promise<number> {
  const { Status: status } = (await client.getBucketVersioning(bucket).catch(unlessUnknown)) ?? {}
  // One that never had versioning has no such versions.
  if (status !== 'Enabled' && status !== 'Suspended') return 0
  let removed = 0
  let page: { name: string; versionId: string }[] = []
  const remove = async () => {
    if (page.length === 0) return
    const results = await client.removeObjects(bucket, page)
    const failed = results.find(result => result?.Error !== undefined)
    if (failed?.Error) throw new Error(`${failed.Error.Key}: ${failed.Error.Message}`)
    removed += page.length
    page = []
  }
  for await (const item of client.listObjects(bucket, prefix, true, { IncludeVersion: true })) {
    const { name, versionId, isLatest, isDeleteMarker } = item as Version
    if (name === undefined || versionId === undefined || (isLatest === true && isDeleteMarker !== true)) continue
    page.push({ name, versionId })
    if (page.length === pageSize) await remove()
  }
  await remove()
  return removed
}

/** A store that does not know of versioning has no versions. */
function unlessUnknown(error: unknown): undefined {
  if (error instanceof S3Error && error.code === 'NotImplemented') return undefined
  throw error
}
