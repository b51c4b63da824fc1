/** A stock gRPC client that knows nothing but reflection uses the Table's own, typed service. */
import { callAs } from './client.ts'
import { grpcurl } from './programs.ts'
import { namespace, type World } from './world.ts'

const service = `blasty.tables.${namespace}.v1.FilmsService`

const film = {
  id: 10_002,
  title: 'Reflections',
  released: '2011-09-09',
  us_gross: '1234567.89',
  tags: { values: ['typed'] },
}

/** Puts and gets a film. Throws unless it comes back as it went. */
export async function typedByReflection(world: World): Promise<void> {
  const { story } = world
  using importer = await callAs(world, 'importer')
  story.say('$ grpcurl ADDRESS list')
  const services = await grpcurl(world, importer.token, [], 'list')
  story.say(services)
  if (!services.includes(service)) throw new Error(`${service} is not reflected`)

  story.say(`\n$ grpcurl ADDRESS describe ${service}.Put`)
  story.say(await grpcurl(world, importer.token, [], 'describe', `${service}.Put`))

  const put = JSON.stringify({ row: film })
  story.say(`\n$ grpcurl -d '${put}' ADDRESS ${service}/Put`)
  const answer = await grpcurl(world, importer.token, ['-d', put], `${service}/Put`)
  story.say(answer)

  const get = JSON.stringify({ key: { id: film.id }, min_token: JSON.parse(answer).token })
  story.say(`\n$ grpcurl -d '${get}' ADDRESS ${service}/Get`)
  const got = await grpcurl(world, importer.token, ['-d', get], `${service}/Get`)
  story.say(got)
  const row: { readonly title?: string } = JSON.parse(got).row
  if (row.title !== film.title) throw new Error('the film did not come back as it went')
}
