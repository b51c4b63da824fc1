/** Running kubectl and grpcurl, as a person does in a shell. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { inheritedEnvironment } from '../../devstack/config.ts'
import type { World } from './world.ts'

const run = promisify(execFile)
const outputBytes = 16 * 1024 * 1024

/** Runs kubectl as administrator and returns what it prints. Throws with its own words when it fails. */
export async function kubectl({ info, signal }: World, ...args: readonly string[]): Promise<string> {
  return await output(info.kubernetes.kubectl, ['--kubeconfig', info.kubernetes.kubeconfig, ...args], { signal })
}

/** Runs grpcurl against the facade with a caller's token, which is in no argument: others see those. */
export async function grpcurl(
  { grpcurl, roles, signal }: World,
  token: string,
  options: readonly string[],
  ...args: readonly string[]
): Promise<string> {
  const headers = ['-expand-headers', '-H', `authorization: Bearer $\{TOKEN}`]
  return await output(grpcurl, ['-plaintext', ...headers, ...options, roles.grpc, ...args], {
    signal,
    env: inheritedEnvironment({ TOKEN: token }),
  })
}

async function output(
  program: string,
  args: readonly string[],
  options: { readonly signal: AbortSignal; readonly env?: NodeJS.ProcessEnv },
): Promise<string> {
  try {
    const { stdout } = await run(program, [...args], { ...options, maxBuffer: outputBytes })
    return stdout.trimEnd()
  } catch (error) {
    options.signal.throwIfAborted()
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
    throw new Error(`${program.split('/').at(-1)} ${args.join(' ')}: ${words}`, { cause: error })
  }
}
