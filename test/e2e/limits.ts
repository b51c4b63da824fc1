/** AccessPolicies that show some rows and columns of a Table: by key, in lists, in the Table's own service and in SQL. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Action } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import type { Token } from '../../proto/gen/blasty/v1/common_pb.js'
import type { Client } from './client.ts'
import { film, filmsTable } from './films.ts'
import { reflect } from './reflected.ts'
import { openScene, type Resource, type Scene } from './scene.ts'
import { eventually, type Setting } from './setting.ts'
import { refused } from './writes.ts'

const actions = ['Get', 'List', 'Query']

export function describeLimits(opened: () => Setting): void {
  describe('a policy that limits rows and columns', () => {
    let scene: Scene
    let owner: Client
    let guest: Client
    let token: Token | undefined

    const limited = (...limits: readonly object[]): Resource => ({
      kind: 'AccessPolicy',
      name: guest.serviceAccount,
      spec: {
        subjects: [{ kind: 'ServiceAccount', name: guest.serviceAccount }],
        rules: limits.map(limit => ({ tables: { names: ['films'] }, actions, ...limit })),
      },
    })
    /** Applies a policy and waits until the guest sees just these. */
    const show = async (ids: readonly string[], ...limits: readonly object[]) => {
      await scene.apply(limited(...limits))
      await eventually('the facade knows of the policy', async () => {
        const seen = await guest.sql('SELECT id FROM films ORDER BY id', token).catch(() => undefined)
        return seen?.rows.map(({ id }) => id).join() === ids.join()
      })
    }

    before(async () => {
      scene = await openScene(opened())
      await scene.apply(filmsTable())
      await scene.wait('table/films')
      owner = await scene.owner('films')
      guest = await scene.caller('guest')
      const rows = ['a', 'b', 'c', 'd'].map((id, n) => film(id, { gross: `${n}.00`, tags: [id] }))
      token = (await owner.table('films').put(rows)).token
    })
    after(() => scene?.[Symbol.asyncDispose]())

    it('shows the rows for which its condition is true, wherever they are read', async () => {
      await show(['b', 'c'], { where: "id IN ('b', 'c')" })
      const films = guest.table('films')
      assert.equal((await films.get({ id: 'b' })).row.title, 'Film b')
      const hidden = await refused('ROW_NOT_FOUND', films.get({ id: 'a' }))
      const absent = await refused('ROW_NOT_FOUND', films.get({ id: 'none' }))
      assert.equal(hidden.message, absent.message)
      for (const size of [1, 100]) {
        const listed = await films.list(size)
        assert.deepEqual(
          listed.map(({ row }) => row.id),
          ['b', 'c'],
        )
      }
      const keysJson = ['a', 'b'].map(id => JSON.stringify({ id }))
      const { results } = await guest.queries.batchGet({ table: films.ref, keysJson })
      assert.deepEqual(
        results.map(({ row }) => row !== undefined),
        [false, true],
      )
      const typed = await reflect(guest.connection, await scene.field('table/films', '{.status.service}'))
      const { rows } = await typed.call('List', { page_size: 10 })
      assert.deepEqual(
        (rows as { id: string }[]).map(({ id }) => id),
        ['b', 'c'],
      )
      await refused('ROW_NOT_FOUND', typed.call('Get', { key: { id: 'd' } }))
      const counted = await guest.sql('SELECT count(*) AS n, sum(gross)::VARCHAR AS s FROM films')
      assert.deepEqual(counted.rows, [{ n: 2n, s: '3.00' }])
    })

    it('shows the rows as they were, too', async () => {
      const asOf = { case: 'asOfRevision' as const, value: token ?? assert.fail() }
      const { rows } = await guest.sql('SELECT id FROM films ORDER BY id', undefined, asOf)
      assert.deepEqual(rows, [{ id: 'b' }, { id: 'c' }])
    })

    it('shows a column of a row where one of its rules does so', async () => {
      await show(['a', 'b', 'c', 'd'], { columns: ['title'] }, { where: "id = 'c'", columns: ['gross'] })
      const films = guest.table('films')
      assert.deepEqual((await films.get({ id: 'a' })).row, { ...film('a'), gross: null, released: null, tags: null })
      assert.equal((await films.get({ id: 'c' })).row.gross, '2.00')
      const { rows } = await guest.sql('SELECT * EXCLUDE (_revision, _commit_time) FROM films ORDER BY id')
      assert.deepEqual(rows.map(Object.keys), Array(4).fill(['id', 'title', 'gross']))
      assert.deepEqual(
        rows.map(({ gross }) => gross),
        [null, null, '2.00', null],
      )
      const { message } = await refused('QUERY_FAILED', guest.sql('SELECT released FROM films'))
      assert.ok(message.includes('"released" not found'))
    })

    it('allows what it limits, and nothing else', async () => {
      await refused('PERMISSION_DENIED', guest.table('films').put([film('x')]))
      await scene.allowed(guest, 'films', Action.QUERY)
      await scene.allowed(guest, 'films', Action.SUBSCRIBE, false)
      const { code, stderr } = await scene.tryApply({
        ...limited({ where: 'true' }),
        spec: {
          ...limited().spec,
          rules: [{ tables: { names: ['films'] }, actions: [...actions, 'Subscribe'], where: 'true' }],
        },
      })
      assert.notEqual(code, 0)
      assert.ok(stderr.includes('a rule with where or columns may allow Get, List and Query'))
    })

    it('grants nothing while it does not fit the Table, and says where', async () => {
      for (const [limit, reason, problem] of [
        [{ where: 'gros > 1' }, 'InvalidWhere', 'gros'],
        [{ where: "region = claim('region')" }, 'InvalidWhere', 'rules[0].where for Table films'],
        [{ columns: ['titel'] }, 'InvalidColumns', 'Table films has no column titel'],
      ] as const) {
        await scene.apply(limited(limit))
        await scene.wait(`accesspolicy/${guest.serviceAccount}`, 'Accepted=False')
        await eventually('the reason is told', async () => {
          const path = '{.status.conditions[?(@.type=="Accepted")]}'
          const condition = JSON.parse(await scene.field(`accesspolicy/${guest.serviceAccount}`, path))
          return condition.reason === reason && condition.message.includes(problem)
        })
        await eventually('nothing is granted', async () =>
          refused('TABLE_NOT_FOUND', guest.table('films').get({ id: 'a' })).then(
            () => true,
            () => false,
          ),
        )
      }
    })

    it('stands back behind a policy on the whole Table', async () => {
      await show(['a'], { where: "id = 'a'" })
      const { spec } = limited({})
      await scene.apply({ kind: 'AccessPolicy', name: 'whole', spec })
      await eventually('all is seen', async () => (await guest.table('films').list(10)).length === 4)
      assert.equal((await guest.sql('SELECT count(released) AS n FROM films')).rows[0]?.n, 4n)
    })
  })
}
