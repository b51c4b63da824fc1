/** How a data command ends: what it says of an error, and its exit code. */

import { RpcError } from '../../facade/grpc/rpc-error.ts'

/** Exit codes; `docs/cli.md` lists them. */
export const exitCodes = { failed: 1, usage: 2, notFound: 3, denied: 4, unavailable: 5, interrupted: 130 } as const

/** A mistake of the one who called, told without more ado. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Something asked for does not exist; what there is of the rest was shown. */
export class MissingError extends Error {
  override readonly name = 'MissingError'
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return exitCodes.usage
  if (error instanceof MissingError) return exitCodes.notFound
  if (!(error instanceof RpcError)) return exitCodes.failed
  switch (error.status) {
    case 'NOT_FOUND':
      return exitCodes.notFound
    case 'UNAUTHENTICATED':
    case 'PERMISSION_DENIED':
      return exitCodes.denied
    case 'UNAVAILABLE':
    case 'DEADLINE_EXCEEDED':
      return exitCodes.unavailable
    default:
      return exitCodes.failed
  }
}

/** Lines for standard error: the code of the catalogue where there is one, the message, each field at fault, what to do. */
export function describe(error: unknown, namespace: string): string[] {
  if (!(error instanceof Error)) return [`error: ${String(error)}`]
  if (!(error instanceof RpcError)) return [`error: ${error.message}`]
  const lines = [`error ${error.reason ?? error.status}: ${error.message}`]
  // The message names the first ones already.
  for (const { field, description } of error.violations.slice(0, 20)) lines.push(`  ${field} ${description}`)
  if (error.status === 'UNAUTHENTICATED') {
    lines.push(
      'a token is given by --token, BLASTY_TOKEN, --token-file or the context; one for a service account is made by',
      `  kubectl -n ${namespace} create token SERVICE_ACCOUNT --audience blasty`,
    )
  }
  return lines
}
