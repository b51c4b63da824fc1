/** The Tables, Indexes, Subscription and policies, applied with kubectl. */
import { fileURLToPath } from 'node:url'
import { Action } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { callAs, untilAllowed } from './client.ts'
import { kubectl } from './programs.ts'
import { namespace, type World } from './world.ts'

const manifests = fileURLToPath(new URL('../manifests', import.meta.url))

/** Applies `examples/manifests` and waits until all of it is Ready. */
export async function applyManifests(world: World): Promise<void> {
  const { story } = world
  story.say('$ kubectl apply -f examples/manifests')
  story.say(await kubectl(world, 'apply', '-f', manifests))
  const kinds = 'tables,indexes,subscriptions,accesspolicies'
  story.say(`$ kubectl wait --for=condition=Ready ${kinds} --all -n ${namespace}`)
  story.say(await kubectl(world, 'wait', '--for=condition=Ready', kinds, '--all', '-n', namespace, '--timeout=60s'))
  using importer = await callAs(world, 'importer')
  await untilAllowed(world, importer, 'flights', Action.PUT)
  using web = await callAs(world, 'web')
  await untilAllowed(world, web, 'films', Action.SEARCH)
}
