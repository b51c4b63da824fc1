/** Where a bench runs: real servers with durable settings, the roles as processes of their own, a namespace of the bench's own. */

import { KubeConfig } from '@kubernetes/client-node'
import { type StackWith, withParts } from '../../devstack/info.ts'
import { type Roles, startRoles } from '../../devstack/roles.ts'
import type { Crash } from '../../devstack/server.ts'
import { startStack, wholeStack } from '../../devstack/stack.ts'
import { readStackFile } from '../../devstack/stack-file.ts'
import { createNamespace } from '../../devstack/testing.ts'
import { createClient, type KubeClient } from '../../operator/mod.ts'
import type { Tell } from './bench.ts'

export type BenchStack = StackWith<'kubernetes' | 'nats' | 'objectStore' | 'search'>

export type Environment = {
  readonly stack: BenchStack
  /** Roles that the bench started; undefined when it found them running. */
  readonly roles: Roles | undefined
  /** `host:port` of the facade's gRPC. */
  readonly grpc: string
  /** Acts as an administrator. */
  readonly client: KubeClient
  readonly namespace: string
  /** Rejects when a server or role ends by itself: what is measured then is worth nothing. */
  readonly crashed: Promise<never>
  readonly close: () => Promise<void>
}

export type EnvironmentOptions = {
  /** File that describes a stack that runs; a stack of the bench's own is started without one. */
  readonly attach?: string
  /** Folder for CPU profiles of the roles, written when they end. */
  readonly profile?: string
}

/** Starts everything and waits until it serves. Rejects with the reason when something does not start. */
export async function openEnvironment(options: EnvironmentOptions, tell: Tell): Promise<Environment> {
  const crash = Promise.withResolvers<never>()
  crash.promise.catch(() => {}) // Heard by whoever races with it.
  const onCrash = ({ server, how, log }: Crash) => crash.reject(new Error(`${server} ended: ${how}; see ${log}`))
  const cleanUps: (() => Promise<void>)[] = []
  const close = async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  }
  try {
    tell('starting servers')
    const stack = await openStack(options.attach, onCrash, cleanUps)
    const roles = stack.grpc === undefined ? await openRoles(stack, options.profile, onCrash, tell) : undefined
    if (roles !== undefined) cleanUps.push(roles.stop)
    const config = new KubeConfig()
    config.loadFromFile(stack.kubernetes.kubeconfig)
    const client = createClient(config, { userAgent: 'bench' })
    cleanUps.push(() => client.close())
    const namespace = await createNamespace(stack.kubernetes, { blasty: 'yes' })
    return { stack, roles, grpc: stack.grpc ?? roles?.grpc ?? '', client, namespace, crashed: crash.promise, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openStack(
  attach: string | undefined,
  onCrash: (crash: Crash) => void,
  cleanUps: (() => Promise<void>)[],
): Promise<BenchStack> {
  if (attach !== undefined) return withParts(await readStackFile(attach), 'kubernetes', 'nats', 'objectStore', 'search')
  const stack = await startStack({ ...wholeStack, onCrash })
  cleanUps.push(() => stack.stop())
  return withParts(stack.info, 'kubernetes', 'nats', 'objectStore', 'search')
}

async function openRoles(
  stack: BenchStack,
  profile: string | undefined,
  onCrash: (crash: Crash) => void,
  tell: Tell,
): Promise<Roles> {
  tell('starting roles')
  const nodeFlags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  return startRoles({ stack, nodeFlags, onCrash, logLevel: 'warn' })
}
