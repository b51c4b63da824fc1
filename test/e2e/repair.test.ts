/** A log that was written and is lost, brought back by `blasty repair`; and a Table brought to another cluster with its bucket alone. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { after, before, it } from 'node:test'
import { objectStore } from '../../backends/object-store/store.ts'
import { connectStreams, type Streams } from '../../backends/streams/connect.ts'
import { AckLevel } from '../../proto/gen/blasty/v1/common_pb.js'
import type { Client, Json } from './client.ts'
import { blockbusters, film, filmsIndex, filmsTable } from './films.ts'
import { consume } from './following.ts'
import { openScene, type Scene } from './scene.ts'
import { eventually, kubectl, type Output, openSetting, type Setting } from './setting.ts'
import { refused } from './writes.ts'

let setting: Setting
let scene: Scene
let client: Client
let streams: Streams
before(async () => {
  setting = await openSetting()
  scene = await openScene(setting)
  await scene.apply(filmsTable(), filmsIndex, blockbusters)
  for (const what of ['table/films', 'index/films', 'subscription/blockbusters']) await scene.wait(what)
  client = await scene.owner('films')
  const { nats } = setting.info
  streams = await connectStreams({ servers: nats.servers, ...nats.users.operator, name: 'test' })
})
after(async () => {
  await streams?.close()
  await scene?.[Symbol.asyncDispose]()
  await setting?.[Symbol.asyncDispose]()
})

/** Runs the command line as an administrator does. */
async function blasty(...args: readonly string[]): Promise<Output> {
  const { kubeconfig } = setting.info.kubernetes
  const child = spawn(process.execPath, ['cli/blasty.ts', ...args, '--kubeconfig', kubeconfig], { stdio: 'pipe' })
  const ended = new Promise<number>(resolve => child.once('close', code => resolve(code ?? -1)))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { stdout, stderr, code }
}

const reasonOf = (condition: string) =>
  scene.field('table/films', `{.status.conditions[?(@.type=="${condition}")].reason}`)
const rows = async () => (await client.table('films').list(100)).map(({ row }) => row)
const repair = (...more: readonly string[]) => blasty('repair', `${scene.namespace}/films`, '--log-lost', ...more)
const lose = async () => {
  await streams.admin.streams.delete(await scene.field('table/films', '{.status.external.stream}'))
  // It would look by itself within a minute or so; when it starts it looks at once.
  await setting.roles.of('operator').restart()
  await eventually('the Table is stalled', async () => (await reasonOf('Stalled')) === 'LogLost')
  await refused('LOG_LOST', client.table('films').put([film('late')]))
}

it('a Table whose log is there is not repaired', async () => {
  const { code, stderr } = await repair('--yes')
  assert.equal(code, 2)
  assert.match(stderr, /the log is not lost/)
})

it('a lost log is repaired when somebody says so, and everything that was acknowledged is there again', async () => {
  const films = client.table('films')
  await films.put([film('tt1'), film('tt2')], { ackLevel: AckLevel.ARCHIVED })
  const consuming = consume(client, 'blockbusters')
  const ids = (told: readonly { readonly new?: Json | undefined }[]) => told.map(({ new: row }) => row?.id)
  await consuming.until('the first rows', told => ids(told).length === 2)
  // Not in the lake yet: its window is half a minute.
  const { revision, token } = await films.put([film('tt2', { title: 'Remade' }), film('tt3', { title: 'Third' })])
  assert.ok(token)
  await consuming.until('the later rows', told => ids(told).length === 4)
  await consuming.stop()
  await lose()

  const asked = await repair()
  assert.equal(asked.code, 1, asked.stderr)
  assert.match(asked.stderr, /nothing was done/)
  const done = await repair('--yes')
  assert.equal(done.code, 0, done.stderr)
  assert.match(done.stderr, new RegExp(`nothing up to ${revision} is lost`))
  assert.match(done.stderr, /epoch 2 begins at revision/)
  await setting.roles.of('operator').restart()
  await scene.wait('table/films')
  assert.equal(await scene.field('table/films', '{.status.external.epoch}'), '2')

  const wanted = [film('tt1'), film('tt2', { title: 'Remade' }), film('tt3', { title: 'Third' })]
  await eventually('the rows are served', () =>
    rows().then(
      found => found.length === 3,
      () => false,
    ),
  )
  assert.deepEqual(await rows(), wanted)
  await refused('EPOCH_CHANGED', films.get({ id: 'tt1' }, token))
  await refused('ROW_EXISTS', films.put([film('tt1')], { ifAbsent: true }))
  const again = await films.put([film('tt4', { title: 'Fourth' })])
  assert.ok(again.revision > 2 ** 24)

  // What it told outlived the loss, so it goes on where it was.
  const going = consume(client, 'blockbusters')
  let told: readonly unknown[] = []
  await going.until('what was written since', delivered => {
    told = ids(delivered)
    return told.length > 0
  })
  await going.stop()
  assert.deepEqual(told, ['tt4'])
  const index = { namespace: scene.namespace, name: 'films' }
  const search = async (q: string) =>
    (await client.searches.search({ index, q, ...(again.token && { minToken: again.token }) })).hits.length
  await eventually(
    'the index is filled again',
    () =>
      search('fourth').then(
        hits => hits === 1,
        () => false,
      ),
    60,
  )
  assert.equal(await search('third'), 1)
  await scene.wait('index/films')
})

it('verify finds the same rows everywhere, and names one that is gone from an index', async () => {
  const verify = () => blasty('verify', `${scene.namespace}/films`, '--facade', setting.grpc, '--token', client.token)
  const same = await verify()
  assert.equal(same.code, 0, same.stdout + same.stderr)
  assert.match(
    same.stdout,
    /: 4 rows\nlake: \d+ compared, the same\nlog: .*the same\nindex films: 4 .*the same\nreplica: 4/,
  )

  const { host, key } = setting.info.search
  const documents = `${host}/indexes/${await scene.field('index/films', '{.status.external.index}')}/documents`
  const headers = { authorization: `Bearer ${key}` }
  const held = (await (await fetch(`${documents}?fields=_id,title`, { headers })).json()) as { results: Json[] }
  const id = held.results.find(({ title }) => title === 'Third')?._id
  assert.ok(id)
  assert.ok((await fetch(`${documents}/${id}`, { method: 'DELETE', headers })).ok)
  await eventually('the document is gone', async () => (await fetch(`${documents}/${id}`, { headers })).status === 404)
  const differs = await verify()
  assert.equal(differs.code, 1, differs.stdout + differs.stderr)
  assert.match(
    differs.stdout,
    /index films: 4 compared, 1 differences\n {2}\{"id":"tt3"\} is missing; it is at revision 5/,
  )
  const nobody = await blasty('verify', `${scene.namespace}/nothing`)
  assert.equal(nobody.code, 2)
})

it('restore brings the rows back as of a time, by ordinary writes', async () => {
  const films = client.table('films')
  const before = await rows()
  await films.put([film('tt5')], { ackLevel: AckLevel.ARCHIVED })
  const time = new Date().toISOString()
  await films.remove([{ id: 'tt1' }, { id: 'tt5' }], { ackLevel: AckLevel.ARCHIVED })
  await films.put([film('tt2', { title: 'Wrong' }), film('tt6')])
  const restore = (...more: readonly string[]) =>
    blasty('restore', `${scene.namespace}/films`, '--as-of', time, ...more)
  assert.equal((await restore()).code, 1)
  const done = await restore('--yes')
  assert.equal(done.code, 0, done.stderr)
  assert.match(done.stderr, /done: 3 rows put, 1 deleted, 2 were/)
  await eventually('the rows are as they were', async () => (await rows()).length === 5)
  assert.deepEqual(await rows(), [...before, film('tt5')])
})

it('a Table applied in another cluster over its bucket alone has its rows again, once it is adopted and repaired', async () => {
  const wanted = await rows()
  const { token } = await client.table('films').put([film('tt7')], { ackLevel: AckLevel.ARCHIVED })
  assert.ok(token)
  const stream = await scene.field('table/films', '{.status.external.stream}')
  for (const what of ['index/films', 'subscription/blockbusters', 'table/films']) await scene.remove(what)
  await streams.admin.streams.delete(stream)

  // There the namespace is another one, and so the mark on the bucket is of one that nobody knows.
  const objects = objectStore({ ...setting.info.objectStore, pathStyle: true })
  const mark = JSON.parse(String(await objects.get(stream, '_blasty/owner.json')))
  const namespaceUID = 'of-another-cluster'
  await objects.put(stream, '_blasty/owner.json', Buffer.from(JSON.stringify({ ...mark, namespaceUid: namespaceUID })))
  await scene.apply(filmsTable())
  await eventually('it stops', async () => (await reasonOf('Stalled')) === 'RetainedData')
  await kubectl(setting.info, ['annotate', '--namespace', scene.namespace, 'table/films', 'blasty.dev/adopt=true'])
  const message = () => scene.field('table/films', '{.status.conditions[?(@.type=="Stalled")].message}')
  await eventually('the class is asked for', async () => (await message()).includes('adoptions'))
  const found = await scene.field('table/films', '{.status.backendClassName}')
  const adoptions = [{ namespace: scene.namespace, namespaceUID }]
  const patch = JSON.stringify({ spec: { adoptions } })
  await kubectl(setting.info, ['patch', 'backendclass', found, '--type=merge', `--patch=${patch}`])
  await eventually('its log is missed', async () => (await reasonOf('Stalled')) === 'LogLost')
  const done = await repair('--yes')
  assert.equal(done.code, 0, done.stderr)
  assert.match(done.stderr, /epoch 3 begins/)
  await setting.roles.of('operator').restart()
  await scene.wait('table/films')
  await eventually('the rows are served', () =>
    rows().then(
      found => found.length === 6,
      () => false,
    ),
  )
  assert.deepEqual(await rows(), [...wanted, film('tt7')])
  await client.table('films').put([film('tt8')])
  const same = await blasty('verify', `${scene.namespace}/films`)
  assert.equal(same.code, 0, same.stdout + same.stderr)
})

it('a lost lake is made anew from the log', async () => {
  const wanted = await rows()
  const bucket = await scene.field('table/films', '{.status.external.bucket}')
  const objects = objectStore({ ...setting.info.objectStore, pathStyle: true })
  const lakeLost = (...more: readonly string[]) =>
    blasty(
      'repair',
      `${scene.namespace}/films`,
      '--lake-lost',
      '--facade',
      setting.grpc,
      '--token',
      client.token,
      ...more,
    )
  const refusedYet = await lakeLost('--yes')
  assert.match(refusedYet.stderr, /no archiver says that the lake is lost/)
  const keys: string[] = []
  for await (const { key } of objects.list(bucket, 'lake/')) keys.push(key)
  await objects.remove(bucket, keys)
  await setting.roles.of('worker').restart()
  await eventually('the archiver misses it', async () => (await reasonOf('LakeReady')) === 'LakeLost', 60)
  const done = await lakeLost('--yes')
  assert.equal(done.code, 0, done.stderr)
  await eventually('the archiver goes on', async () => (await reasonOf('LakeReady')) === 'Archiving', 60)
  await scene.wait('table/films')
  assert.deepEqual(await rows(), wanted)
  const same = await blasty('verify', `${scene.namespace}/films`)
  assert.equal(same.code, 0, same.stdout + same.stderr)
  await client.table('films').put([film('tt9')], { ackLevel: AckLevel.ARCHIVED })
})
