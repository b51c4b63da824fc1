/** Every kind of bad request has its own documented error, and leaves nothing behind. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { connectStreams, type Streams } from '../../backends/streams/connect.ts'
import { serviceAccountToken } from '../../devstack/kubernetes/api.ts'
import { maxRowBytes } from '../../engine/log/packed.ts'
import type { RpcError } from '../../facade/grpc/rpc-error.ts'
import { defaultMaxRequestBytes } from '../../facade/grpc/server.ts'
import { Action } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { type Client, openClient, type TableClient } from './client.ts'
import { blockbusters, film, filmColumns, filmsIndex, filmsTable } from './films.ts'
import { consume, follow } from './following.ts'
import { allActions, openScene, policyFor, type Resource, type Scene } from './scene.ts'
import { eventually, type Setting } from './setting.ts'
import { refused } from './writes.ts'

export function describeBadInput(setting: () => Setting): void {
  describe('bad input', () => {
    let scene: Scene
    let client: Client
    let films: TableClient
    let streams: Streams
    let stream: string
    let lastSequence: number
    const last = async () => (await streams.admin.streams.info(stream)).state.last_seq
    before(async () => {
      scene = await openScene(setting())
      await scene.apply(filmsTable(), filmsIndex, { ...blockbusters, name: 'all' })
      await Promise.all(['table/films', 'index/films', 'subscription/all'].map(it => scene.wait(it)))
      client = await scene.owner('films')
      films = client.table('films')
      await films.put([film('tt1')])
      const { nats } = setting().info
      streams = await connectStreams({ servers: nats.servers, ...nats.users.operator, name: 'test' })
      stream = await scene.field('table/films', '{.status.external.stream}')
      lastSequence = await last()
    })
    // Whatever was refused, the log is as it was.
    afterEach(async () => assert.equal(await last(), lastSequence))
    after(async () => {
      await streams?.close()
      await scene?.[Symbol.asyncDispose]()
    })

    describe('in a resource', () => {
      const message = async (...resources: Resource[]) => {
        const { code, stderr } = await scene.tryApply(...resources)
        assert.notEqual(code, 0, 'kubectl took it')
        return stderr
      }

      it('an invalid spec is answered by the message of admission', async () => {
        const gross = { name: 'gross', type: 'Decimal' }
        assert.match(
          await message(filmsTable([...filmColumns.slice(0, 2), gross], 'other')),
          /needs precision and scale/,
        )
        assert.match(
          await message(filmsTable(filmColumns.slice(1), 'other')),
          /primaryKey names a column that columns does not have/,
        )
        const { spec } = filmsTable()
        const timed = { kind: 'Table', name: 'other', spec: { ...spec, eventTime: { column: 'released' } } } as const
        assert.match(await message(timed), /not built in this version/)
        assert.match(await message({ ...timed, spec: { ...spec, colums: [] } }), /unknown field "spec.colums"/)
        const required = { name: 'year', type: 'Int32', required: true }
        assert.match(await message(filmsTable([...filmColumns, required])), /must be nullable/)
      })

      it('a where that cannot be is not accepted, and the construct and its position are named', async () => {
        const spec = { tableRef: { name: 'films' }, where: 'gross > 1 AND nonsense = 2' }
        await scene.apply({ kind: 'Subscription', name: 'wrong', spec })
        await scene.wait('subscription/wrong', 'Accepted=False')
        const path = '{.status.conditions[?(@.type=="Accepted")].message}'
        assert.match(await scene.field('subscription/wrong', path), /nonsense.* at position 15/)
        await refused(
          'TABLE_NOT_READY',
          (async () => {
            async function* open() {
              const subscription = { namespace: scene.namespace, name: 'wrong' }
              yield { message: { case: 'open' as const, value: { subscription, credit: 1 } } }
            }
            for await (const _ of client.subscriptions.consume(open())) assert.fail('something was delivered')
          })(),
        )
      })
    })

    describe('in a row', () => {
      const violations = async (row: object) => {
        const error = await refused('INVALID_ROW', films.put([film('tt9'), { ...row }]))
        assert.equal(error.status, 'INVALID_ARGUMENT')
        return error.violations.map(({ field, description }) => `${field}: ${description}`)
      }

      it('every column that does not fit is named', async () => {
        assert.deepEqual(await violations({ title: 'No key' }), ['mutations[1].id: is required'])
        assert.deepEqual(await violations(film('tt2', { nonsense: 1 })), [
          'mutations[1].nonsense: is no column of the table',
        ])
        const wrong = await violations(film('tt2', { gross: 'much', released: '2026-02-30', tags: 'drama', title: 7 }))
        assert.deepEqual(
          wrong.map(text => text.split(':')[0]),
          ['title', 'gross', 'released', 'tags'].map(column => `mutations[1].${column}`),
        )
      })

      it('text that is no JSON, or no object, is told so', async () => {
        const write = (value: string) =>
          client.mutations.write({ table: films.ref, mutations: [{ operation: { case: 'putRowJson', value } }] })
        await refused('INVALID_ARGUMENT', write('{"id":'))
        await refused('INVALID_ROW', write('[1]'))
        await refused('INVALID_ARGUMENT', client.mutations.write({ table: films.ref, mutations: [{}] }))
        await refused('INVALID_ARGUMENT', client.mutations.write({ table: films.ref, mutations: [] }))
      })

      it('a key that is too long is told its length and the limit', async () => {
        const { details } = await refused('KEY_TOO_LONG', films.put([film('k'.repeat(1024))]))
        assert.deepEqual(details, { bytes: '1025', limit: '1024' })
      })

      it('a row, a batch and a message that are too large each have an error of their own', async () => {
        await refused('ROW_TOO_LARGE', films.put([film('tt2', { title: 'x'.repeat(maxRowBytes) })]))
        const many = Array.from({ length: 999 }, (_, i) => film(`many-${i}`))
        await refused('BATCH_TOO_LARGE', films.put(many))
        const message = await failure(films.put([film('tt2', { title: 'x'.repeat(defaultMaxRequestBytes) })]))
        assert.equal(message.status, 'RESOURCE_EXHAUSTED')
        assert.match(message.message, new RegExp(String(defaultMaxRequestBytes)))
      })

      it('a row twice in one batch and a bad condition are refused', async () => {
        await refused('INVALID_ARGUMENT', films.put([film('tt2'), film('tt2')]))
        await refused('INVALID_ARGUMENT', films.put([film('tt2')], { ifRevision: 0n }))
        await refused('INVALID_ARGUMENT', films.put([film('tt2')], { mutationId: 'x'.repeat(129) }))
      })
    })

    describe('in a read', () => {
      it('a malformed where is told the position', async () => {
        for (const [where, position] of [
          ['gross >', '8'],
          ['nonsense = 1', '1'],
          [`title = 'a' AND gross = 'much'`, '25'],
          [`title = (SELECT 1)`, '9'],
        ] as const) {
          const watch = follow(client, { table: films.ref, where })
          const error = await refused('INVALID_PREDICATE', watch.ready())
          assert.equal(error.details.position, position, `${where}: ${error.message}`)
          const index = { namespace: scene.namespace, name: 'films' }
          const { details } = await refused('INVALID_PREDICATE', client.searches.search({ index, where }))
          assert.equal(details.position, position)
        }
      })

      it('every other statement than one SELECT is refused', async () => {
        for (const sql of [
          `INSERT INTO films VALUES ('x')`,
          'DROP TABLE films',
          'SELECT 1; SELECT 2',
          "COPY films TO 'films.csv'",
          'SELEC 1',
          '',
          `SELECT * FROM read_csv('/etc/passwd')`,
        ]) {
          await refused('INVALID_SQL', client.sql(sql))
        }
        await refused('TABLE_NOT_FOUND', client.sql('SELECT * FROM nowhere'))
        await refused('QUERY_FAILED', client.sql('SELECT nonsense FROM films'))
        await refused('QUERY_FAILED', client.sql('SELECT CAST(title AS INTEGER) FROM films'))
      })

      it('an unknown table, index, subscription and row each have an error of their own', async () => {
        await refused('TABLE_NOT_FOUND', client.table('nowhere').get({ id: 'tt1' }))
        await refused('TABLE_NOT_FOUND', client.table('nowhere').put([film('tt1')]))
        const nowhere = { namespace: scene.namespace, name: 'nowhere' }
        await refused('INDEX_NOT_FOUND', client.searches.search({ index: nowhere }))
        await refused('ROW_NOT_FOUND', films.get({ id: 'nowhere' }))
        await refused('INVALID_ROW', films.get({ title: 'Film tt1' }))
        await refused('INVALID_ARGUMENT', client.queries.list({ table: films.ref, pageToken: 'nonsense' }))
      })

      it('a token beyond the log, of another epoch or of another Table is refused at once', async () => {
        const [position] =
          (await films.get({ id: 'tt1' }).then(() => client.queries.list({ table: films.ref }))).token?.tables ?? []
        assert.ok(position)
        const after = (change: object) =>
          follow(client, { table: films.ref, start: { case: 'after', value: { ...position, ...change } } })
        const beyond = { tables: [{ ...position, revision: position.revision + 1000n }] }
        const request = { table: films.ref, keyJson: '{"id":"tt1"}' }
        await refused('REVISION_NOT_REACHED', client.queries.get({ ...request, minToken: beyond }))
        await refused('REVISION_NOT_REACHED', after({ revision: position.revision + 1000n }).ready())
        await refused(
          'EPOCH_CHANGED',
          client.queries.get({ ...request, minToken: { tables: [{ ...position, epoch: 7 }] } }),
        )
        await refused('EPOCH_CHANGED', after({ epoch: 7 }).ready())
        await refused('INVALID_ARGUMENT', after({ tableUid: 'other' }).ready())
      })
    })

    describe('in who asks', () => {
      const as = (token: string) => openClient(setting().grpc, { ...client, token })
      const asks = async (one: Client, reason: string) => {
        const error = await refused(reason, one.table('films').get({ id: 'tt1' }))
        await refused(reason, one.table('films').put([film('tt2')]))
        one.connection.close()
        return error
      }

      it('no token, a bad one and one for another audience are told what is wrong', async () => {
        const { namespace, serviceAccount } = client
        const other = await serviceAccountToken(setting().info.kubernetes, {
          namespace,
          serviceAccount,
          audiences: ['other'],
        })
        const bearer = await asks(as('nonsense'), 'UNAUTHENTICATED')
        assert.equal(bearer.status, 'UNAUTHENTICATED')
        await asks(as(other), 'UNAUTHENTICATED')
        await asks(as(''), 'UNAUTHENTICATED')
      })

      it('without a policy a Table is as if it were not there', async () => {
        const stranger = await scene.caller()
        const error = await asks(stranger, 'TABLE_NOT_FOUND')
        const absent = await refused('TABLE_NOT_FOUND', client.table('absent').get({ id: 'tt1' }))
        assert.equal(error.message.replace('films', 'absent'), absent.message)
      })

      it('an action that no policy allows is denied and named', async () => {
        const reader = await scene.caller()
        await scene.apply(policyFor(reader.serviceAccount, ['films'], ['Get']))
        await scene.allowed(reader, 'films', Action.GET)
        await reader.table('films').get({ id: 'tt1' })
        const { details } = await refused('PERMISSION_DENIED', reader.table('films').put([film('tt2')]))
        assert.equal(details.action, 'Put')
        await refused('PERMISSION_DENIED', reader.table('films').list(10))
        await refused('TABLE_NOT_FOUND', reader.sql('SELECT * FROM films'))
        await refused('PERMISSION_DENIED', reader.table('films').remove([{ id: 'tt1' }]))
        const watch = follow(reader, { table: films.ref })
        await refused('PERMISSION_DENIED', watch.ready())
        const index = { namespace: scene.namespace, name: 'films' }
        await refused('PERMISSION_DENIED', reader.searches.search({ index }))
      })

      it('a policy allows nothing any more from the moment it expires', async () => {
        const guest = await scene.caller()
        const policy = policyFor(guest.serviceAccount, ['films'])
        const expiresAt = new Date(Date.now() + 4000).toISOString()
        await scene.apply({ ...policy, spec: { ...policy.spec, expiresAt } })
        await scene.allowed(guest, 'films', Action.GET)
        await guest.table('films').get({ id: 'tt1' })
        await eventually('the policy expires', () => Date.now() > Date.parse(expiresAt))
        await asks(guest, 'TABLE_NOT_FOUND')
        await scene.wait(`accesspolicy/${policy.name}`, 'Expired')
      })

      it('a policy that is not accepted grants nothing', async () => {
        const guest = await scene.caller()
        const { spec, ...policy } = policyFor(guest.serviceAccount, ['films'])
        const rules = [{ tables: { names: ['films'] }, actions: allActions, where: `title = 'Film tt1'` }]
        const { code } = await scene.tryApply({ ...policy, spec: { ...spec, rules } })
        // Refused by admission, or not accepted by the operator: it grants nothing either way.
        if (code === 0) await scene.wait(`accesspolicy/${policy.name}`, 'Accepted=False')
        await asks(guest, 'TABLE_NOT_FOUND')
      })

      it('a Watch and a Consume end with the policy that allowed them, and are told nothing more', async () => {
        const guest = await scene.caller()
        await scene.apply(policyFor(guest.serviceAccount, ['films'], ['Subscribe']))
        await scene.allowed(guest, 'films', Action.SUBSCRIBE)
        const silent = follow(guest, { table: films.ref, heartbeatSeconds: 1 })
        const watch = follow(guest, { table: films.ref, heartbeatSeconds: 300 })
        const events = consume(guest, 'all')
        await Promise.all([silent.ready(), watch.ready()])
        await events.until('what is there', told => told.length === 1)
        await scene.remove(`accesspolicy/${guest.serviceAccount}`)
        await eventually('the watch ends by itself', () => silent.failure() !== undefined)
        await films.put([film('tt1', { title: 'Secret' })])
        lastSequence = await last()
        await eventually('both end', () => watch.failure() !== undefined && events.failure() !== undefined)
        for (const one of [silent, watch]) await refused('TABLE_NOT_FOUND', Promise.reject(one.failure()))
        await refused('SUBSCRIPTION_NOT_FOUND', Promise.reject(events.failure()))
        assert.deepEqual([watch.events().length, events.deliveries.length], [0, 1])
      })
    })
  })
}

async function failure(call: Promise<unknown>): Promise<RpcError> {
  try {
    await call
  } catch (error) {
    return error as RpcError
  }
  return assert.fail('it was not refused')
}
