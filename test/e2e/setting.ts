/** A whole stack with every role of Blasty running on it, as an end-to-end test needs it. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { type StackWith, withParts } from '../../devstack/info.ts'
import { type Roles, startRoles } from '../../devstack/roles.ts'
import type { ServerControl } from '../../devstack/server.ts'
import { type Stack, startStack, wholeStack } from '../../devstack/stack.ts'

export type WholeInfo = StackWith<'kubernetes' | 'nats' | 'objectStore' | 'search'>

export type Setting = AsyncDisposable & {
  readonly stack: Stack
  readonly info: WholeInfo
  readonly roles: Roles
  /** `host:port` of the facade. */
  readonly grpc: string
}

/**
 * Starts servers and roles. The stack is the test's own: an operator on the shared one would write to the objects of the
 * admission tests.
 */
export async function openSetting(flags: Readonly<Record<string, string>> = {}): Promise<Setting> {
  const stack = await startStack({ ...wholeStack, report: () => {} })
  try {
    const info = withParts(stack.info, 'kubernetes', 'nats', 'objectStore', 'search')
    const roles = await startRoles({ stack: info, flags })
    return {
      stack,
      info,
      roles,
      grpc: roles.grpc,
      [Symbol.asyncDispose]: async () => {
        await roles.stop()
        await stack.stop()
      },
    }
  } catch (error) {
    await stack.stop()
    throw error
  }
}

export type Output = { readonly code: number; readonly stdout: string; readonly stderr: string }

/** Runs the real kubectl as administrator. `documents` go to its standard input. */
export async function runKubectl(
  { kubernetes }: WholeInfo,
  args: readonly string[],
  documents: readonly object[] = [],
): Promise<Output> {
  const child = spawn(kubernetes.kubectl, ['--kubeconfig', kubernetes.kubeconfig, ...args])
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve(code ?? -1))
  })
  child.stdin.end(documents.map(document => JSON.stringify(document)).join('\n---\n'))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, stdout, stderr }
}

/** Runs kubectl and returns what it prints; throws with what it complains of. */
export async function kubectl(
  info: WholeInfo,
  args: readonly string[],
  documents: readonly object[] = [],
): Promise<string> {
  const { code, stdout, stderr } = await runKubectl(info, args, documents)
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ends with ${code}: ${stderr}${stdout}`)
  return stdout
}

/** Asks until there is an answer other than undefined and false. Throws what was asked for when none comes in time. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  seconds = 30,
): Promise<T> {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > end) throw new Error(`not in ${seconds} seconds: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 25))
  }
}

/** Kills a server or role, and starts it again whatever happens meanwhile. */
export async function away(server: ServerControl, meanwhile: () => Promise<void>): Promise<void> {
  await server.kill()
  try {
    await meanwhile()
  } finally {
    await server.start()
  }
}
