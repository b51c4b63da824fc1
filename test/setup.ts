/** Global setup of a test run: one stack of real servers for all test files, started once, stopped at the end. */
import { join } from 'node:path'
import { announceStack, devConfig } from '../devstack/config.ts'
import { type Part, parts } from '../devstack/info.ts'
import { serveOnDemand } from '../devstack/on-demand.ts'
import { startStack } from '../devstack/stack.ts'
import { writeStackFile } from '../devstack/stack-file.ts'

const running = new AsyncDisposableStack()

/** Starts the stack, unless the environment names one that runs, and tells the test files where its description is. */
export async function globalSetup(): Promise<void> {
  const config = devConfig()
  if (config.stackFile !== undefined) return
  const wanted = (part: Part): boolean => config.testServers?.includes(part) ?? true
  const unknown = config.testServers?.filter(name => !parts.some(part => part === name)) ?? []
  if (unknown.length > 0) throw new Error(`BLASTY_TEST_SERVERS: ${unknown.join(', ')} is none of ${parts.join(', ')}`)
  const stack = running.use(
    await startStack({
      kubernetes: wanted('kubernetes'),
      objectStore: wanted('objectStore'),
      search: wanted('search'),
      ...(wanted('nats') && { nats: 1 as const }),
      trino: config.testServers?.includes('trino') ?? false, // otherwise started by the first test that asks for it
    }),
  )
  const onDemand = running.use(await serveOnDemand(stack))
  const file = join(stack.info.folder, 'stack.json')
  await writeStackFile(file, { ...stack.info, onDemand: onDemand.info })
  announceStack(file)
}

/** Stops what `globalSetup` started. */
export async function globalTeardown(): Promise<void> {
  await running.disposeAsync()
}
