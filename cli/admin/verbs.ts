/** The verbs of an administrator, who works on the backends themselves. What they need takes a second to load, so each loads its own. */

import { type Command, Option } from 'commander'
import type { RepairOptions } from './repair.ts'
import type { RestoreVerbOptions } from './restore.ts'
import { verb } from './verb.ts'
import type { VerifyOptions } from './verify.ts'

export function addAdministration(program: Command): void {
  addVerify(program)
  addRepair(program)
  addRestore(program)
}

function addVerify(program: Command): void {
  const description =
    'compare log, lake, indexes, blobs and a facade by key and checksum; exit code 0: the same, 1: they differ, 2: could not look'
  withCluster(program.command('verify <namespace/table>').description(description))
    .option('--facade <host:port>', 'compare the rows that this facade serves, too')
    .option('--token <token>', 'of who may List the Table, for --facade')
    .option('--wait-seconds <n>', "how long an index may take to reach the log's end", '60')
    .option('--json', 'print the result as one line of JSON')
    .action((name: string, options: VerifyOptions) =>
      verb(async signal => (await import('./verify.ts')).verify(name, options, signal)),
    )
}

function addRepair(program: Command): void {
  const description = 'go on with a Table whose log or lake is lost, from what is left; says what is lost'
  withCluster(program.command('repair <namespace/table>').description(description))
    .option('--log-lost', 'begin a new epoch of the log, above every revision ever issued')
    .option('--discard-log', 'with --log-lost: give up what is left of the log and cannot be archived any more')
    .option('--lake-lost', 'make the lake anew from what the log holds')
    .option('--facade <host:port>', 'with --lake-lost: take the rows that the log no longer holds from this facade')
    .option('--token <token>', 'of who may List the whole Table, for --facade')
    .option('--yes', 'do it; without, it is only said what would be done')
    .action((name: string, options: RepairOptions) =>
      verb(async signal => (await import('./repair.ts')).repair(name, options, signal)),
    )
}

function addRestore(program: Command): void {
  const description = 'write the rows as the lake had them; repeated, it writes only what still differs'
  withCluster(program.command('restore <namespace/table>').description(description))
    .option('--as-of <time>', 'as of this time, such as 2026-01-31T12:00:00Z: the last version of the lake before')
    .option('--version <n>', 'as of this version of the lake')
    .option('--into <table>', 'write to this Table of the namespace, which has the same columns and key')
    .option('--yes', 'do it; rows that were written since are replaced and deleted')
    .action((name: string, options: RestoreVerbOptions) =>
      verb(async signal => (await import('./restore.ts')).restoreTable(name, options, signal)),
    )
}

/** Adds the options that say which cluster is meant. */
function withCluster(command: Command): Command {
  return command
    .addOption(new Option('--kubeconfig <file>', 'kubeconfig file; default: the usual places').env('KUBECONFIG'))
    .addOption(
      new Option('--credentials-namespace <namespace>', 'where the Secrets of BackendClasses are')
        .env('BLASTY_CREDENTIALS_NAMESPACE')
        .default('blasty-system'),
    )
}
