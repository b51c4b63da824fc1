/** The Trino of a class as the operator uses it: asked for its version, told of Tables, each question bounded in time. */

import { type Trino, trino } from '../backends/trino/client.ts'
import { identifier } from '../backends/trino/tables.ts'
import type { BackendClass } from '../crds/types.gen.ts'
import type { Credentials } from './credentials.ts'
import { within } from './deadline.ts'

export type ClassTrino = { readonly catalog: string; readonly client: Trino }

/** Who asks, where the Secret names nobody. */
const defaultUser = 'blasty'
/** How long one statement may take, in milliseconds. */
const statementMillis = 15_000
/** How long a server that is away is asked again, in milliseconds: the reconcile comes back by itself. */
const patienceMillis = 2_000

/** The client of a class that has Trino; undefined for the others. Nothing is asked yet. */
export function openTrino({ spec }: BackendClass, credentials: Credentials): ClassTrino | undefined {
  if (spec.trino === undefined) return undefined
  const { server, catalog } = spec.trino
  const { trinoUser: user = defaultUser, trinoPassword: password } = credentials
  // Opened with each question: a password without https is a refusal to tell, not a reason to be without the other backends.
  const open = () => trino({ server, user, patienceMillis, ...(password !== undefined && { password }) })
  const soon = <T>(ask: (client: Trino) => Promise<T>): Promise<T> =>
    within(statementMillis, 'Trino server', (async () => ask(open()))())
  return {
    catalog,
    client: {
      query: (sql, options) => soon(client => client.query(sql, options)),
      rows: (sql, options) => soon(client => client.rows(sql, options)),
    },
  }
}

/** Trino's version; throws when it does not answer, does not let us in or has no such catalogue. */
export async function probeTrino({ client, catalog }: ClassTrino): Promise<string> {
  const [[version] = []] = await client.rows(
    `SELECT version() FROM ${identifier(catalog)}.information_schema.schemata LIMIT 1`,
  )
  return String(version).slice(0, 128)
}
