#!/usr/bin/env node
/** The command line: one program for all roles, and for working with data. */

import './thread-pool.ts' // Before anything that uses a thread.
import { basename } from 'node:path'
import { Command, Option } from 'commander'
import { addAdministration } from './admin/verbs.ts'
import { addBlobs } from './data/blob.ts'
import { addErasing } from './data/erase.ts'
import { addExporting } from './data/export.ts'
import { exitCodes } from './data/failure.ts'
import { addFollowing } from './data/follow.ts'
import { addImporting } from './data/import.ts'
import { addPutting } from './data/put.ts'
import { addReading } from './data/read.ts'
import type { RoleName, RoleOptions } from './roles.ts'

/** As kubectl-blasty on the PATH it is `kubectl blasty`. */
const called = basename(process.argv[1] ?? '').startsWith('kubectl-') ? 'kubectl blasty' : 'blasty'
const program = new Command(called)
  .description('Tables with a change log, SQL, search and live feeds on your own backends')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : exitCodes.usage))

const roles: readonly (readonly [name: string, roles: readonly RoleName[], description: string])[] = [
  ['operator', ['operator'], 'reconcile custom resources; the only role that writes to Kubernetes'],
  ['worker', ['worker'], 'keep indexes true and route durable Subscriptions'],
  ['facade', ['facade'], 'serve gRPC to applications'],
  ['all', ['operator', 'worker', 'facade'], 'all roles in one process, for development'],
]

for (const [name, served, description] of roles) {
  program
    .command(name)
    .description(description)
    .addOption(new Option('--kubeconfig <file>', 'kubeconfig file; default: the usual places').env('KUBECONFIG'))
    .addOption(
      new Option('--controller-name <name>', 'serve BackendClasses with this controllerName')
        .env('BLASTY_CONTROLLER_NAME')
        .default('blasty.dev/main'),
    )
    .addOption(
      new Option('--credentials-namespace <namespace>', 'where the Secrets of BackendClasses are')
        .env('BLASTY_CREDENTIALS_NAMESPACE')
        .default('blasty-system'),
    )
    .addOption(
      new Option('--data-dir <folder>', 'cache of replicas; may be deleted while the process is down').env(
        'BLASTY_DATA_DIR',
      ),
    )
    .addOption(
      new Option('--health-address <host:port>', '/metrics, /healthz, /readyz')
        .env('BLASTY_HEALTH_ADDRESS')
        .default('0.0.0.0:8080'),
    )
    .addOption(
      new Option('--grpc-address <host:port>', 'gRPC of the facade').env('BLASTY_GRPC_ADDRESS').default('0.0.0.0:9090'),
    )
    .addOption(new Option('--tls-cert <file>', 'certificates of the facade, as PEM').env('BLASTY_TLS_CERT'))
    .addOption(
      new Option('--tls-key <file>', 'their private key, as PEM; gRPC is plain text without both').env(
        'BLASTY_TLS_KEY',
      ),
    )
    .addOption(
      new Option('--sql-memory <size>', 'memory of SQL, for each namespace').env('BLASTY_SQL_MEMORY').default('2GB'),
    )
    .addOption(
      new Option(
        '--sql-table-size <size>',
        'larger Tables of query.engine Auto, by the size of their lakes, are queried in Trino where there is one',
      )
        .env('BLASTY_SQL_TABLE_SIZE')
        .default('2GB'),
    )
    .addOption(new Option('--sql-threads <n>', 'threads of SQL').env('BLASTY_SQL_THREADS').argParser(Number).default(2))
    .addOption(
      new Option('--log-level <level>')
        .choices(['debug', 'info', 'warn', 'error'])
        .env('BLASTY_LOG_LEVEL')
        .default('info'),
    )
    .action(async (options: RoleOptions) => {
      // What roles need takes a second to load; data commands do without.
      const { serve } = await import('./roles.ts')
      await serve(served, options)
    })
}

for (const add of [addReading, addPutting, addErasing, addFollowing, addImporting, addExporting, addBlobs]) add(program)
addAdministration(program)

await program.parseAsync()
