/** A live subscriber that sees a row enter, change within and leave its `where`. */
import { MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import { type Event, EventKind, SubscriptionService } from '../../proto/gen/blasty/v1/subscription_service_pb.js'
import { callAs, tableRef } from './client.ts'
import type { World } from './world.ts'

const where = 'us_gross >= 100000000'
const timeoutMs = 30_000

const film = { id: 10_001, title: 'Blasty: The Motion Picture', released: '2011-06-01', genre: 'Documentary' }

/** A film that is a blockbuster for a while: what is put, and how the subscriber sees it. */
const scenes = [
  { row: { ...film, us_gross: '12000000.00' }, seen: 'nothing' },
  { row: { ...film, us_gross: '120000000.00' }, seen: 'ENTER' },
  { row: { ...film, us_gross: '130000000.00', imdb_rating: '8.8' }, seen: 'UPDATE' },
  { row: { ...film, us_gross: '90000000.00', imdb_rating: '8.8' }, seen: 'LEAVE' },
]

/** Writes the scenes while a watch runs. Throws unless it sees them as they are. */
export async function watchRow(world: World): Promise<void> {
  const { story, signal } = world
  using importer = await callAs(world, 'importer')
  using web = await callAs(world, 'web')
  const mutations = importer.service(MutationService)
  const writeAll = async (): Promise<void> => {
    for (const { row } of scenes) {
      const operation = { case: 'putRowJson' as const, value: JSON.stringify(row) }
      await mutations.write({ table: tableRef('films'), mutations: [{ operation }] }, { signal, timeoutMs })
    }
  }

  story.say(`watching films where ${where}; putting "${film.title}" four times`)
  const expected = scenes.map(({ seen }) => seen).filter(seen => seen !== 'nothing')
  const events: Event[] = []
  const start = { case: 'now' as const, value: {} }
  const watch = web
    .service(SubscriptionService)
    .watch({ table: tableRef('films'), where, start }, { signal, timeoutMs })
  for await (const { message } of watch) {
    if (message.case === 'ready') await writeAll()
    if (message.case === 'events') events.push(...message.value.events)
    if (events.length >= expected.length) break
  }
  story.table(
    ['event', 'US gross before', 'US gross after', 'revision'],
    events.map(event => [EventKind[event.kind], gross(event.oldRowJson), gross(event.newRowJson), event.revision]),
  )
  const kinds = events.map(({ kind }) => EventKind[kind]).join(' ')
  if (kinds !== expected.join(' ')) throw new Error(`the subscriber saw ${kinds}, not ${expected.join(' ')}`)
}

const gross = (rowJson: string | undefined): string =>
  rowJson === undefined ? '' : `${JSON.parse(rowJson).us_gross ?? ''}`
