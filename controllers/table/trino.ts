/** Making a Table known to Trino while SQL on it is to run there, and making Trino forget it when its engine is Embedded. */

import { registerTable, type TableName, tableLocation, unregisterTable } from '../../backends/trino/tables.ts'
import type { Table } from '../../crds/types.gen.ts'
import type { ReportedCondition } from '../../operator/mod.ts'
import { answerOf } from '../backend-class/probe.ts'
import type { Backends } from '../backends.ts'
import type { ClassTrino } from '../trino.ts'
import { isLarge } from './engine.ts'

/** What Trino says of the Table's name; nothing is asked for a Table that neither is nor was registered, or has no lake. */
export type TrinoSeen =
  | { readonly kind: 'noTrino' }
  | { readonly kind: 'noLake' }
  | { readonly kind: 'failed'; readonly problem: string }
  /** `location` of the table that bears the name; undefined when none does. */
  | { readonly kind: 'known'; readonly location: string | undefined }

export type TrinoAction =
  /** `instead`: a place of this Table under which it is known still. */
  | { readonly type: 'RegisterTrino'; readonly location: string; readonly instead?: string }
  | { readonly type: 'UnregisterTrino' }

export const isTrinoAction = (action: { readonly type: string }): action is TrinoAction =>
  action.type === 'RegisterTrino' || action.type === 'UnregisterTrino'

type Seen = {
  readonly target: { readonly bucket: string }
  readonly trino?: TrinoSeen | undefined
  readonly large?: boolean
}

/** Seconds after which Trino is asked again when it failed. */
export const trinoAgainSeconds = 15

const wanted = ({ spec }: Table, large = false): boolean => spec.query.engine === 'Trino' || large

/** Whether a Table of engine Auto is too large for the facades, by what the archiver says or, without one, said last. */
export function isTooLarge(table: Table, reported: Backends['reported']): boolean {
  const bytes = reported.lake(table.metadata.uid)?.bytes ?? table.status?.progress?.lake?.bytes ?? 0
  return isLarge(table, bytes, reported.embeddedBytes)
}

export const locationOf = (bucket: string): string => `s3://${bucket}/lake`

export const trinoName = ({ catalog }: ClassTrino, { metadata }: Table): TableName => ({
  catalog,
  schema: metadata.namespace,
  table: metadata.name,
})

/** Asks Trino, if the Table has to do with it. Never throws for what Trino does. */
export async function lookAtTrino(table: Table, { trino, reported }: Backends): Promise<TrinoSeen | undefined> {
  const recorded = table.status?.external?.trino
  if (!wanted(table, isTooLarge(table, reported)) && recorded === undefined) return undefined
  if (trino === undefined) return { kind: 'noTrino' }
  if (recorded === undefined && !hasLake(table, reported)) return { kind: 'noLake' }
  const answer = await answerOf(tableLocation(trino.client, trinoName(trino, table)))
  return answer.ok ? { kind: 'known', location: answer.value } : { kind: 'failed', problem: answer.problem }
}

/** True when a look that found no lake is out of date. */
export const trinoOutdated = (table: Table, seen: TrinoSeen | undefined, { reported }: Backends): boolean =>
  (seen?.kind === 'noLake' || (seen === undefined && isTooLarge(table, reported))) && hasLake(table, reported)

function hasLake(table: Table, reported: Backends['reported']): boolean {
  const version = reported.lake(table.metadata.uid)?.version ?? -1
  return Math.max(version, table.status?.progress?.lake?.version ?? -1) >= 0
}

/** What is to be told to Trino: pure. A name that stands for another place is left alone. */
export function trinoActions(table: Table, { target, trino, large }: Seen): TrinoAction[] {
  if (trino?.kind !== 'known') return []
  const recorded = table.status?.external?.trino
  const location = locationOf(target.bucket)
  // One that was large and is small again stays known: somebody's session may be there.
  if (!wanted(table, large) && (table.spec.query.engine !== 'Auto' || recorded === undefined))
    return trino.location !== undefined && trino.location === recorded ? [{ type: 'UnregisterTrino' }] : []
  if (trino.location === undefined) return [{ type: 'RegisterTrino', location }]
  if (trino.location === location || trino.location !== recorded) return []
  return [{ type: 'RegisterTrino', location, instead: trino.location }]
}

/** Carries out an action; what Trino says against it is returned. */
export async function tellTrino(
  action: TrinoAction,
  table: Table,
  { trino }: Pick<Backends, 'trino'>,
): Promise<string | undefined> {
  if (trino === undefined) return 'the BackendClass has no trino'
  const name = trinoName(trino, table)
  const told = await answerOf(
    (async () => {
      if (action.type === 'UnregisterTrino' || action.instead !== undefined) await unregisterTable(trino.client, name)
      if (action.type === 'RegisterTrino') await registerTable(trino.client, name, action.location)
    })(),
  )
  return told.ok ? undefined : told.problem
}

/** Makes Trino forget a Table that goes. Throws when it cannot be asked. */
export async function forgetInTrino(table: Table, { trino }: Pick<Backends, 'trino'>): Promise<void> {
  const recorded = table.status?.external?.trino
  if (trino === undefined || recorded === undefined) return
  const name = trinoName(trino, table)
  if ((await tableLocation(trino.client, name)) === recorded) await unregisterTable(trino.client, name)
}

/** The location to record: where Trino knows the Table, or did when it was last heard. */
export function trinoRecord(table: Table, { target, trino }: Seen): { trino?: string } {
  const recorded = table.status?.external?.trino
  const location = locationOf(target.bucket)
  const record = (value: string | undefined) => (value === undefined ? {} : { trino: value })
  if (trino === undefined) return {}
  if (trino.kind !== 'known') return record(recorded)
  return record(trino.location === location || trino.location === recorded ? trino.location : undefined)
}

/** Whether SQL over the Table can run in Trino; none for a Table that does not ask for it, or is not too large in a class without. Rows are written and read without. */
export function trinoCondition(table: Table, { target, trino, large }: Seen): ReportedCondition | undefined {
  if (!wanted(table, large) || trino === undefined) return undefined
  if (trino.kind === 'noTrino' && table.spec.query.engine === 'Auto') return undefined
  const condition = { type: 'TrinoReady', gates: false } as const
  const not = (reason: string, message: string) => ({ ...condition, status: 'False' as const, reason, message })
  switch (trino.kind) {
    case 'noTrino':
      return not('NoTrino', 'query.engine is Trino and the BackendClass has no trino')
    case 'noLake':
      return not('NoLake', 'the lake begins with the first row; Trino is told of it then')
    case 'failed':
      return not('Failing', trino.problem)
    case 'known':
      if (trino.location === locationOf(target.bucket))
        return { ...condition, status: 'True', reason: 'Registered', message: `Trino reads ${trino.location}` }
      return trino.location === undefined
        ? not('Registering', 'Trino is being told of the lake')
        : not('NameTaken', `Trino knows ${trino.location} by the name of this Table; it is left alone`)
  }
}
