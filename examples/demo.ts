/** `npm run demo`: starts everything on this machine, does the main job on real data, stays up; `-- --once` ends by itself; `--flights N` imports fewer. */
import { parseArgs } from 'node:util'
import { applyManifests } from './demo/apply.ts'
import { showBackends, showResources } from './demo/backends.ts'
import { posterOfFilm } from './demo/blob.ts'
import { sayHowToGoOn } from './demo/going-on.ts'
import { importAll } from './demo/import.ts'
import { readLake } from './demo/lake.ts'
import { searchAround, searchWithFacets, searchWithTypo } from './demo/search.ts'
import { joinAndAggregate } from './demo/sql.ts'
import { Story } from './demo/story.ts'
import { consumeBlockbusters } from './demo/subscription.ts'
import { typedByReflection } from './demo/typed.ts'
import { watchRow } from './demo/watch.ts'
import { Interruption, isInterruption, type World, withWorld } from './demo/world.ts'

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

process.exitCode = await main()

async function main(): Promise<number> {
  const options = {
    once: { type: 'boolean', default: false },
    flights: { type: 'string', default: '3000000' },
  } as const
  const { once, flights } = parseArgs({ options }).values
  const story = new Story(process.stdout)
  const abort = new AbortController()
  for (const name of stopSignals) {
    // Only the first: a second one ends this process at once, and the watchdogs end what it started.
    process.once(name, () => {
      story.line('\nstopping …')
      abort.abort(new Interruption(`interrupted by ${name}`))
    })
  }
  let done = false
  try {
    await withWorld(story, abort, async world => {
      await tell(world, Number(flights))
      done = true
      if (once) return
      sayHowToGoOn(world)
      await aborted(abort.signal)
    })
    story.line('demo: ok')
    return 0
  } catch (error) {
    if (done && isInterruption(error)) {
      story.line('demo: ok')
      return 0
    }
    // The reason in one line, the last one; what it goes on to tell stands before.
    const [reason, ...more] = (error instanceof Error ? error.message : String(error)).split('\n')
    if (more.length > 0) story.say(more.join('\n'))
    story.line(`demo: failed: ${reason}`)
    return 1
  }
}

/** The main job, step by step. */
async function tell(world: World, flights: number): Promise<void> {
  const { story } = world
  await story.step('Declare Tables, Indexes, a Subscription and policies', () => applyManifests(world))
  const imported = await story.step('Import films, airports and flights', () => importAll(world, flights))
  await story.step('Ask in SQL for the busiest routes', () => joinAndAggregate(world, imported, flights))
  const film = await story.step('Search films, with a typo', () => searchWithTypo(world, imported))
  await story.step('Search films, with facets', () => searchWithFacets(world, imported))
  await story.step('Search airports around a place', () => searchAround(world, imported.airports))
  await story.step('Follow a row live', () => watchRow(world))
  await story.step('Consume the durable Subscription', () => consumeBlockbusters(world))
  await story.step('Put a poster on a film', () => posterOfFilm(world, film))
  await story.step("Use the Table's own service with a stock client", () => typedByReflection(world))
  await story.step('See the resources', () => showResources(world))
  await story.step('See what lies behind them', () => showBackends(world))
  await story.step('Read the lake without Blasty', () => readLake(world, flights))
  story.times()
}

/** Never resolves; throws the reason of the abort. */
function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  const alive = setInterval(() => {}, 60_000) // servers do not keep this process running
  return promise.finally(() => clearInterval(alive))
}
