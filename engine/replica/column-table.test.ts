/** A tick cut off at each of its steps, and schemas that a process has not heard of. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { TableSchema } from '../schema/schema.ts'
import { Schemas } from '../schema/schemas.ts'
import { filmSchema, temporaryFolder } from '../testing.ts'
import { rowsOf } from '../testing-table.ts'
import { type ChangeBatch, StoredRow } from './change.ts'
import { ColumnTable } from './column-table.ts'
import { openSqlDatabase, type SqlDatabase } from './sql-database.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let sql: SqlDatabase
/** Changes a batch: few rows are told in the text of the merge, many are put into a table first. */
const sizes = [3, 40]
before(async () => {
  folder = await temporaryFolder()
  sql = await openSqlDatabase(join(folder.path, 'test.duckdb'), { memory: '256MB', threads: 1 })
  for (const size of sizes) {
    const whole = await ColumnTable.open(await sql.connect(), identity(`whole${size}`), schemasOf(filmSchema))
    for (const batch of batches(size)) whole.stage(batch)
    await whole.tick()
    whole.close()
  }
})
after(async () => {
  await sql.close()
  await folder.remove()
})

const identity = (name: string) => ({ name, uid: 'u', epoch: 1 })
const schemasOf = (...all: TableSchema[]) => {
  const [first = filmSchema] = all
  return new Schemas(
    'test/films',
    first,
    async number => all.find(one => one.number === number) ?? assert.fail(`schema ${number}`),
  )
}
const stored = (revision: number, id: string, rest: object = {}) =>
  new StoredRow(revision, revision, Buffer.from(JSON.stringify({ id, year: revision, ...rest })))

/** Ten batches of `size` changes: rows put, put again, deleted; each follows from the one before. */
function batches(size = 3): ChangeBatch[] {
  const current = new Map<string, StoredRow>()
  return Array.from({ length: 10 }, (_, index) => {
    const revision = (index + 1) * size
    const changes = Array.from({ length: size }, (_, part) => {
      const id = `k${(index * part) % 4}${part}; it's`
      const old = current.get(id)
      const next = (index + part) % 3 === 0 && old !== undefined ? undefined : stored(revision - size + 1 + part, id)
      if (next === undefined) current.delete(id)
      else current.set(id, next)
      return { key: Buffer.from(id), old, new: next }
    })
    return { revision, commitTime: revision, schema: 1, changes, bytes: 100 }
  })
}

const shown = (name: string) => rowsOf(sql, `SELECT id, year, _revision FROM ${name} ORDER BY _revision`)

/** A connection that fails from its n-th step on, or at that step alone; `steps` counts them. */
function failing(connection: DuckDBConnection, from: number, once: boolean) {
  const state = { steps: 0, broken: false, healed: false }
  const step = () => {
    if (state.healed) return
    state.steps++
    if (once ? state.steps === from : state.steps >= from) {
      state.broken = true
      throw new Error('the disk is gone')
    }
  }
  /** Each statement of a text is a step: those before the one that fails are carried out. */
  const runSteps = async (run: (text: string) => Promise<unknown>, text: string) => {
    const done: string[] = []
    for (const statement of text.split('; ')) {
      try {
        step()
      } catch (error) {
        if (done.length > 0) await run(done.join('; '))
        throw error
      }
      done.push(statement)
    }
    return run(text)
  }
  const stepping = <T extends object>(target: T, names: readonly string[]): T =>
    new Proxy(target, {
      get(on, name) {
        const value: unknown = Reflect.get(on, name, on)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (name === 'run') {
            const [text, ...rest] = args
            return runSteps(part => Reflect.apply(value, on, [part, ...rest]), String(text))
          }
          if (names.includes(String(name))) step()
          const result: unknown = Reflect.apply(value, on, args)
          if (!(result instanceof Promise)) return result
          return result.then((made: object) => (name === 'createAppender' ? stepping(made, ['appendDataChunk']) : made))
        }
      },
    })
  return { state, connection: stepping(connection, ['createAppender']) }
}

for (const size of sizes) {
  test(`a process that dies at any step of a tick of ${size} changes a batch leaves columns that go on where they were, each row once`, async () => {
    const all = batches(size)
    const expected = await shown(`whole${size}`)

    let from = 1
    for (let broken = true; broken; from++) {
      const name = `dies${size}_${from}`
      const first = await ColumnTable.open(await sql.connect(), identity(name), schemasOf(filmSchema))
      for (const batch of all.slice(0, 3)) first.stage(batch)
      await first.tick()
      first.close()

      const dying = failing(await sql.connect(), from, false)
      const table = await ColumnTable.open(dying.connection, identity(name), schemasOf(filmSchema)).catch(
        () => undefined,
      )
      for (const batch of table === undefined ? [] : all.slice(3, 7)) table?.stage(batch)
      await table?.tick().catch(() => {})
      dying.connection.closeSync()
      broken = dying.state.broken

      const next = await ColumnTable.open(await sql.connect(), identity(name), schemasOf(filmSchema))
      for (const batch of all) if (batch.revision > next.revision) next.stage(batch)
      await next.tick()
      next.close()
      assert.deepEqual(await shown(name), expected, `dead from step ${from}`)
    }
    assert.ok(from > (size === 3 ? 8 : 10), `${from} steps`)
  })

  test(`a tick of ${size} changes a batch that fails at any step is merged with what came since, each row once`, async () => {
    const all = batches(size)
    const expected = await shown(`whole${size}`)
    let from = 1
    for (let broken = true; broken; from++) {
      const name = `fails${size}_${from}`
      const opened = await ColumnTable.open(await sql.connect(), identity(name), schemasOf(filmSchema))
      for (const batch of all.slice(0, 3)) opened.stage(batch)
      await opened.tick()
      opened.close()
      const connection = await sql.connect()
      const faulty = failing(connection, from + 3, true) // Behind the three steps of opening.
      const table = await ColumnTable.open(faulty.connection, identity(name), schemasOf(filmSchema))
      for (const batch of all.slice(3, 6)) table.stage(batch)
      const ticking = table.tick()
      // Comes while the tick is under way, and ends rows that it holds.
      for (const batch of all.slice(6)) table.stage(batch)
      await ticking.catch(() => {})
      broken = faulty.state.broken
      faulty.state.healed = true
      await table.tick()
      assert.equal(table.revision, 10 * size)
      assert.equal(table.stagedBytes, 0)
      assert.deepEqual(await shown(name), expected, `failed at step ${from}`)
      table.close()
    }
    assert.ok(from > 6, `${from} steps`)
  })
}

test('columns that are ahead of the schema that a status tells keep their values', async () => {
  const [id, ...others] = filmSchema.columns
  assert.ok(id)
  const narrow: TableSchema = { ...filmSchema, columns: [id, ...others.filter(({ name }) => name === 'year')] }
  const added = { name: 'extra', type: 'Int64', required: false, field: 90 } as const
  const wide: TableSchema = { ...narrow, number: 2, columns: [...narrow.columns, added] }
  const before = await ColumnTable.open(await sql.connect(), identity('ahead'), schemasOf(wide))
  const put = { key: Buffer.from('a'), old: undefined, new: stored(1, 'a', { extra: '9223372036854775807' }) }
  before.stage({ revision: 1, commitTime: 1, schema: 2, changes: [put], bytes: 1 })
  await before.tick()
  before.close()

  const behind = schemasOf(narrow, wide)
  const again = await ColumnTable.open(await sql.connect(), identity('ahead'), behind)
  assert.equal(again.schema, 2)
  assert.equal(behind.current.number, 2)
  assert.deepEqual(await rowsOf(sql, 'SELECT extra FROM ahead'), [{ extra: '9223372036854775807' }])
  again.close()
})

test('a Table may be called what the staging table was called', async () => {
  const table = await ColumnTable.open(await sql.connect(), identity('staged'), schemasOf(filmSchema))
  for (const batch of batches()) table.stage(batch)
  await table.tick()
  assert.deepEqual(await shown('staged'), await shown('whole3'))
  table.close()
})

test('two processes that merge the same changes into one table do not double them', async () => {
  const [one, two] = [await sql.connect(), await sql.connect()]
  const first = await ColumnTable.open(one, identity('twice'), schemasOf(filmSchema))
  const second = await ColumnTable.open(two, identity('twice'), schemasOf(filmSchema))
  for (const batch of batches()) {
    first.stage(batch)
    second.stage(batch)
  }
  await first.tick()
  await assert.rejects(second.tick())
  assert.deepEqual(await shown('twice'), await shown('whole3'))
  first.close()
  second.close()
})

test('of two that merge the same changes at the same moment one does, whichever is first', async () => {
  for (let round = 0; round < 10; round++) {
    const name = `raced${round}`
    const first = await ColumnTable.open(await sql.connect(), identity(name), schemasOf(filmSchema))
    const second = await ColumnTable.open(await sql.connect(), identity(name), schemasOf(filmSchema))
    for (const batch of batches()) {
      first.stage(batch)
      second.stage(batch)
    }
    const outcomes = await Promise.allSettled([first.tick(), second.tick()])
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    assert.deepEqual(await shown(name), await shown('whole3'))
    first.close()
    second.close()
  }
})
