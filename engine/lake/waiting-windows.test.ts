/** Windows wait for their commits in order and within bounds, and none holds half of a batch. */

import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { ChangeBatch } from '../replica/change.ts'
import { Schemas } from '../schema/schemas.ts'
import { eventSchema, temporaryFolder } from '../testing.ts'
import { WaitingWindows } from './waiting-windows.ts'

const record = (revision: number, text: string) => ({
  schema: 1,
  operation: 'append' as const,
  principal: '',
  revision,
  key: undefined,
  body: Buffer.from(`[{"text":"${text}"}]`),
})

const batch = (revision: number, schema = 1): ChangeBatch => ({
  revision,
  commitTime: revision,
  schema,
  changes: [],
  appended: [record(revision, `of ${revision}`)],
  bytes: 0,
})

/** Windows that become the numbers of their schemas and the revisions in their files. */
async function withWindows(work: (windows: WaitingWindows<unknown>, folder: string) => Promise<void>): Promise<void> {
  const { path: folder, remove } = await temporaryFolder()
  const windows = new WaitingWindows<unknown>({
    schemas: new Schemas('test/events', eventSchema, async number => ({ ...eventSchema, number })),
    keyed: false,
    expired: 0,
    folder,
    write: async ({ window, schema }) => {
      const { rows } = await window.close()
      const files = rows?.lines === 'records' ? rows.files : []
      const lines = (await Promise.all(files.map(file => readFile(file, 'utf8')))).join('')
      const revisions = [...lines.matchAll(/"_revision":(\d+)/g)].map(([, revision]) => Number(revision))
      return { schema: schema.number, revisions }
    },
  })
  try {
    await work(windows, folder)
  } finally {
    await windows.discard()
    await remove()
  }
}

/** What became of the next window, or what the next expiry takes out. */
async function written({ next }: WaitingWindows<unknown>): Promise<unknown> {
  return next?.kind === 'expiry' ? { expired: next.expired } : await next?.written
}

test('what is added while a window waits for its commit becomes the next one', () =>
  withWindows(async (windows, folder) => {
    for (const revision of [1, 2]) await windows.add(batch(revision))
    assert.deepEqual([windows.open, windows.pending, windows.sealedRevision], [true, true, 0])
    windows.seal()
    assert.deepEqual([windows.open, windows.pending, windows.sealedRevision, windows.sealable], [false, true, 2, true])
    await windows.add(batch(5))
    windows.seal()
    assert.deepEqual([windows.sealedRevision, windows.sealable], [5, true])
    await windows.add(batch(6))
    windows.seal()
    assert.deepEqual([windows.sealedRevision, windows.sealable, windows.full], [6, false, false])
    assert.deepEqual(await written(windows), { schema: 1, revisions: [1, 2] })
    await windows.committed()
    assert.equal(windows.sealable, true)
    assert.deepEqual(await written(windows), { schema: 1, revisions: [5] })
    assert.equal(windows.next?.revision, 5)
    await windows.committed()
    assert.deepEqual(await written(windows), { schema: 1, revisions: [6] })
    await windows.committed()
    assert.deepEqual([windows.next, windows.pending, windows.revision], [undefined, false, 6])
    assert.deepEqual(await readdir(folder), [])
  }))

test('rows under a newer schema are in a window of their own, and too many such windows take no more', () =>
  withWindows(async windows => {
    await windows.add(batch(1))
    await windows.add(batch(2, 2))
    // An old writer's rows, and no window more.
    await windows.add(batch(3, 1))
    await windows.add(batch(4, 3))
    await windows.add(batch(5, 4))
    assert.equal(windows.full, false)
    await windows.add(batch(6, 5))
    assert.equal(windows.full, true)
    windows.seal()
    const found: unknown[] = []
    while (windows.next !== undefined) {
      found.push(await written(windows))
      await windows.committed()
    }
    assert.deepEqual(found, [
      { schema: 1, revisions: [1] },
      { schema: 2, revisions: [2, 3] },
      { schema: 3, revisions: [4] },
      { schema: 4, revisions: [5] },
      { schema: 5, revisions: [6] },
    ])
  }))

test('a batch that could be added only in part is added again whole, with all that no sealed window has', () =>
  withWindows(async windows => {
    await windows.add(batch(1))
    windows.seal()
    await windows.add(batch(2))
    const broken: ChangeBatch = {
      ...batch(4),
      get appended(): never {
        throw new Error('the disk is full')
      },
    }
    await assert.rejects(windows.add(broken), /the disk is full/)
    assert.deepEqual([windows.revision, windows.open], [1, false])
    for (const revision of [2, 4]) await windows.add(batch(revision))
    windows.seal()
    assert.deepEqual(await written(windows), { schema: 1, revisions: [1] })
    await windows.committed()
    assert.deepEqual(await written(windows), { schema: 1, revisions: [2, 4] })
  }))

test('a control record alone makes no window that somebody waits for, and still moves the revision', () =>
  withWindows(async windows => {
    await windows.add({ ...batch(1), appended: [] })
    assert.deepEqual([windows.revision, windows.open, windows.pending], [1, false, false])
    windows.seal()
    assert.deepEqual(await written(windows), { schema: 1, revisions: [] })
  }))

test('a batch that takes rows out stands between what was added before and behind it, and is taken once', () =>
  withWindows(async windows => {
    await windows.add(batch(1))
    const expiry = { ...batch(2), appended: [], expired: 1 }
    await windows.add(expiry)
    assert.deepEqual([windows.open, windows.pending, windows.revision, windows.sealedRevision], [false, true, 2, 2])
    await windows.add({ ...expiry, revision: 3 })
    await windows.add(batch(4))
    windows.seal()
    const found: unknown[] = []
    while (windows.next !== undefined) {
      found.push(await written(windows))
      await windows.committed()
    }
    assert.deepEqual(found, [{ schema: 1, revisions: [1] }, { expired: 1 }, { schema: 1, revisions: [4] }])
  }))
