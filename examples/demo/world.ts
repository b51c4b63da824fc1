/** The servers and roles of the demo, and what its steps share. */
import { copyFile, mkdir, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { resolvePrograms } from '../../devstack/binaries.ts'
import { devConfig } from '../../devstack/config.ts'
import { type StackWith, withParts } from '../../devstack/info.ts'
import { programNames } from '../../devstack/programs.ts'
import { type Roles, startRoles } from '../../devstack/roles.ts'
import { startStack, wholeStack } from '../../devstack/stack.ts'
import type { Story } from './story.ts'

/** The namespace of everything in `examples/manifests`. */
export const namespace = 'demo'

export type World = {
  readonly story: Story
  /** Aborted when a person interrupts, or when a server ends by itself. */
  readonly signal: AbortSignal
  readonly info: StackWith<'kubernetes' | 'nats' | 'objectStore' | 'search'>
  readonly roles: Roles
  /** Path of the gRPC client that is not of this project. */
  readonly grpcurl: string
}

const logFolder = fileURLToPath(new URL('../../.blasty/demo-logs', import.meta.url))

/**
 * Starts everything, hands it to `use`, and stops everything, whatever happens. When something fails, copies of all logs
 * are kept. Throws what `use` throws, or the reason of `abort`'s signal.
 */
export async function withWorld(
  story: Story,
  abort: AbortController,
  use: (world: World) => Promise<void>,
): Promise<void> {
  const { signal } = abort
  const crashed = ({ server, how, log }: { server: string; how: string; log: string }): void =>
    abort.abort(new Error(`${server} ended by itself (${how}): ${basename(log)} tells more`))

  const start = async (stack: AsyncDisposableStack): Promise<World> => {
    const report = (line: string): void => story.say(line)
    const programs = await resolvePrograms(programNames, devConfig(), report, signal)
    signal.throwIfAborted()
    const servers = stack.use(await startStack({ ...wholeStack, report, onCrash: crashed }))
    stack.defer(() => keepLogs(servers.info.logs))
    story.say('etcd, kube-apiserver, kube-controller-manager, NATS, MinIO and search serve')
    signal.throwIfAborted()
    const info = withParts(servers.info, 'kubernetes', 'nats', 'objectStore', 'search')
    const folder = join(servers.info.folder, 'roles')
    await mkdir(folder)
    stack.defer(() => keepLogs(folder))
    const roles = stack.use(await startRoles({ stack: info, folder, onCrash: crashed }))
    story.say('operator, worker and facade serve, each under its own service account')
    return { story, signal, info, roles, grpcurl: programs.get('grpcurl') ?? 'grpcurl' }
  }

  let failed = false
  const keepLogs = async (from: string): Promise<void> => {
    if (!failed) return
    await mkdir(logFolder, { recursive: true })
    const logs = (await readdir(from)).filter(name => name.endsWith('.log'))
    for (const name of logs) await copyFile(join(from, name), join(logFolder, name))
  }

  await using running = new AsyncDisposableStack()
  try {
    const world = await story.step('Start the servers and the roles', () => start(running))
    await orAborted(use(world), signal)
  } catch (error) {
    // What fails after an abort fails because of it.
    const reason: unknown = signal.aborted ? signal.reason : error
    failed = !isInterruption(reason)
    if (failed) story.say(`logs are copied to ${logFolder}`)
    throw reason
  }
}

/** The end of the demo by a person's wish. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
}

export const isInterruption = (error: unknown): boolean => error instanceof Interruption

/** The result of `work`, or the reason of the abort as soon as there is one. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
