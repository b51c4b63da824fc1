/** What every data command shares: its connection, its end by Ctrl-C, and what becomes of its errors. */

import { readFile } from 'node:fs/promises'
import { credentials } from '@grpc/grpc-js'
import { type Command, Option } from 'commander'
import { type Connection, connect } from '../../facade/grpc/client.ts'
import { type Context, contextToken, readContext } from './contexts.ts'
import { describe, exitCodeOf, exitCodes, UsageError } from './failure.ts'

export type SessionOptions = Omit<Context, 'tokenCommand'> & { readonly config?: string; readonly context?: string }

export type Session = {
  readonly service: Connection['service']
  readonly namespace: string
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  /** A Table of the namespace. */
  readonly table: (name: string) => { readonly namespace: string; readonly name: string }
}

/** Adds the options of the connection to a command. */
export function withConnection(command: Command): Command {
  return command
    .addOption(
      new Option('--server <url>', 'the facade: https://host:port, or http:// for plain text').env('BLASTY_SERVER'),
    )
    .addOption(
      new Option('-n, --namespace <name>', 'namespace of the tables; default: default').env('BLASTY_NAMESPACE'),
    )
    .addOption(new Option('--token <token>', 'token for the audience blasty').env('BLASTY_TOKEN'))
    .addOption(new Option('--token-file <file>', 'file that holds the token').env('BLASTY_TOKEN_FILE'))
    .addOption(new Option('--ca <file>', 'PEM file of authorities for https').env('BLASTY_CA'))
    .addOption(new Option('--context <name>', 'context of the configuration file').env('BLASTY_CONTEXT'))
    .addOption(
      new Option('--config <file>', 'configuration file; default: ~/.config/blasty/config.yaml').env('BLASTY_CONFIG'),
    )
}

/** Runs a command and ends the process with its exit code. */
export async function runSession(given: SessionOptions, work: (session: Session) => Promise<void>): Promise<void> {
  // A variable that is empty says nothing.
  const options: SessionOptions = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''))
  const interrupted = new AbortController()
  const interrupt = () => interrupted.abort(new Error('interrupted'))
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  // Whoever reads the output has seen enough.
  process.stdout.once('error', error => process.exit('code' in error && error.code === 'EPIPE' ? 0 : exitCodes.failed))
  let namespace = options.namespace ?? 'default'
  let connection: Connection | undefined
  try {
    const context = await readContext(options.config, options.context)
    namespace = options.namespace ?? context.namespace ?? 'default'
    connection = await open(options, context)
    const table = (name: string) => ({ namespace, name })
    await work({ service: connection.service, namespace, signal: interrupted.signal, table })
  } catch (error) {
    const { aborted } = interrupted.signal
    if (!aborted) process.stderr.write(`${describe(error, namespace).join('\n')}\n`)
    process.exitCode = aborted ? exitCodes.interrupted : exitCodeOf(error)
  } finally {
    connection?.close()
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

async function open(options: SessionOptions, context: Context): Promise<Connection> {
  const server = options.server ?? context.server
  if (server === undefined) throw new UsageError('which facade? give --server, BLASTY_SERVER or a context')
  const { host, plain } = addressOf(server)
  const given = options.token !== undefined || options.tokenFile !== undefined
  const token = await contextToken(given ? options : context)
  const ca = options.ca ?? context.ca
  const roots =
    ca === undefined ? null : await readFile(ca).catch(error => Promise.reject(new UsageError(error.message)))
  return connect(host, {
    credentials: plain ? credentials.createInsecure() : credentials.createSsl(roots),
    ...(token === undefined ? {} : { token }),
  })
}

function addressOf(server: string): { readonly host: string; readonly plain: boolean } {
  const match = /^(?:(https?):\/\/)?([^/]+?)\/?$/.exec(server)
  const [, scheme = 'https', host] = match ?? []
  if (host === undefined) throw new UsageError(`--server ${server} is no address such as https://blasty.example:9090`)
  return { host, plain: scheme === 'http' }
}
