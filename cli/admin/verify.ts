/** `blasty verify`: compares what holds a Table's rows, and says what differs. */

import { indexes } from '../../directory/kinds.ts'
import { type Verified, verifyTable } from '../../engine/repair/verify.ts'
import { type AdminOptions, type AdminTable, everyOne, openAdminTable, withTable } from './connect.ts'
import { servedRows } from './served.ts'
import { say } from './verb.ts'

export type VerifyOptions = AdminOptions & {
  readonly json?: boolean
  readonly facade?: string
  readonly token?: string
  readonly waitSeconds: string
}

/** Returns the exit code. */
export async function verify(name: string, options: VerifyOptions, signal: AbortSignal): Promise<number> {
  const { facade, token = '' } = options
  const found = await openAdminTable(name, options)
  try {
    const ofTable = await indexesOf(found)
    const verified = await withTable(found, (table, directory) =>
      verifyTable(table, {
        directory,
        signal,
        indexes: ofTable,
        waitMillis: Number(options.waitSeconds) * 1000,
        onProgress: say,
        ...(facade !== undefined && { served: (revision: number) => servedRows(table, { facade, token, revision }) }),
      }),
    )
    print(name, verified, options.json === true)
    return verified.findings.same ? 0 : 1
  } finally {
    await found.close()
  }
}

async function indexesOf({ client, resource, backends }: AdminTable) {
  const { name, namespace } = resource.metadata
  return (await everyOne(client, indexes))
    .filter(({ spec, metadata }) => spec.tableRef.name === name && metadata.namespace === namespace)
    .flatMap(({ metadata, status }) => {
      const index = status?.external?.index
      return index === undefined ? [] : [{ name: metadata.name, index, search: backends.search }]
    })
}

function print(name: string, { findings, epoch, revision, rows }: Verified, json: boolean): void {
  if (json) {
    const result = { table: name, epoch, revision, rows, same: findings.same, parts: findings.parts }
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  const lines = [`${name} at revision ${revision} of epoch ${epoch}: ${rows} rows`]
  for (const { part, name: what, compared, differences, first } of findings.parts) {
    const looked = `${what === '' ? part : `${part} ${what}`}: ${compared} compared`
    lines.push(differences === 0 ? `${looked}, the same` : `${looked}, ${differences} differences`)
    for (const line of first) lines.push(`  ${line}`)
    if (differences > first.length) lines.push(`  and ${differences - first.length} more`)
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}
