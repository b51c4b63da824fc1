/** Which files of a lake are to be put together: pure. */

import type { AddFile } from './delta/actions.ts'
import { firstRevisionOf, liveRowsOf, rowsOf } from './files.ts'

/** Files of about the same size that are put together when there are so many. */
const tierFiles = 8
/** Most files of one compaction. */
const maxFiles = 64
/** A file of this many bytes is left as it is. */
const largeBytes = 128 * 1024 * 1024
/** Share of deleted rows from which on a file is written anew, alone if need be. */
const hollowShare = 0.5

/**
 * Files to be put together, or none. Small ones are gathered by size, so that a row is written again as often as the logarithm of
 * the Table's size; a file that is mostly deleted is written again at once. Files of an append-only Table are put together only
 * with their neighbours: each then holds a range of revisions, and all of them in order are the Table's history. For the same reason
 * one of them that is mostly deleted is written anew alone.
 */
export function planCompaction(files: readonly AddFile[], keyed: boolean): readonly AddFile[] {
  const hollow = files.filter(file => isStrange(file) || rowsOf(file) - liveRowsOf(file) > rowsOf(file) * hollowShare)
  if (!keyed && hollow.length > 0) return hollow.slice(0, 1)
  const others = files.filter(file => !hollow.includes(file) && liveBytes(file) < largeBytes)
  const groups = keyed ? tiers(others) : runs(files)
  const full = groups.sort((a, b) => a.tier - b.tier).find(group => group.files.length >= tierFiles)
  const chosen: AddFile[] = []
  let bytes = 0
  for (const file of [...hollow, ...(full?.files ?? [])]) {
    if (chosen.length === maxFiles || (chosen.length > 0 && bytes > largeBytes)) break
    chosen.push(file)
    bytes += liveBytes(file)
  }
  return chosen
}

/** One of another engine that does not say what we go by is written anew, after which it does. */
const isStrange = (file: AddFile): boolean => !Number.isFinite(rowsOf(file)) || firstRevisionOf(file) === 0

type Group = { readonly tier: number; readonly files: AddFile[] }

const tierOf = (file: AddFile): number => Math.floor(Math.log(Math.max(1, liveBytes(file))) / Math.log(tierFiles))

function tiers(files: readonly AddFile[]): Group[] {
  const groups = new Map<number, AddFile[]>()
  for (const file of files) {
    const group = groups.get(tierOf(file))
    if (group === undefined) groups.set(tierOf(file), [file])
    else group.push(file)
  }
  return [...groups].map(([tier, group]) => ({ tier, files: group }))
}

/** Neighbours by revision, up to each tier. One that is as large as all the others together is not worth writing again. */
function runs(files: readonly AddFile[]): Group[] {
  const inOrder = files.toSorted((a, b) => firstRevisionOf(a) - firstRevisionOf(b))
  const small = inOrder.filter(file => liveBytes(file) < largeBytes)
  return [...new Set(small.map(tierOf))].flatMap(tier => {
    const groups: Group[] = [{ tier, files: [] }]
    for (const file of inOrder) {
      if (liveBytes(file) < largeBytes && tierOf(file) <= tier) groups.at(-1)?.files.push(file)
      else groups.push({ tier, files: [] })
    }
    return groups.filter(group => {
      const sizes = group.files.map(liveBytes)
      return sizes.reduce((sum, size) => sum + size, 0) >= 2 * Math.max(0, ...sizes)
    })
  })
}

function liveBytes(file: AddFile): number {
  const rows = rowsOf(file)
  return Number.isFinite(rows) && rows > 0 ? (file.size * liveRowsOf(file)) / rows : file.size
}
