import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openCacheStore } from './cache-store.ts'

test('one process keeps the stores of hundreds of Tables open at a time', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'blasty-stores-'))
  try {
    const stores = Array.from({ length: 300 }, (_, n) => openCacheStore(join(folder, String(n)), { n }))
    for (const [n, store] of stores.entries()) store.putSync('key', Buffer.from(String(n)))
    assert.deepEqual(
      stores.map(store => String(store.getBinary('key'))),
      stores.map((_, n) => String(n)),
    )
    await Promise.all(stores.map(store => store.close()))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
