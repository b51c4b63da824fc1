/** What tests of services share: a caller, requests that come when the test sends them, and a Table served without a cluster. */

import type { ObjectStore } from '../../backends/object-store/store.ts'
import { BlastyError } from '../../base/errors.ts'
import type { ServedTable } from '../../directory/directory.ts'
import type { TableSchema } from '../../engine/schema/schema.ts'
import { eventSchema, filmSchema, patience } from '../../engine/testing.ts'
import { type TestTable, testTable } from '../../engine/testing-table.ts'
import type { CallContext } from '../grpc/context.ts'
import { wholeTable } from './row-view.ts'
import type { Scope } from './scope.ts'

export function callContext(signal: AbortSignal = patience()): CallContext {
  return { identity: { user: 'ada', groups: [] }, signal, deadline: Number.POSITIVE_INFINITY, path: '/test' }
}

export type ServedForTest = {
  readonly on: TestTable
  readonly served: ServedTable
  readonly scope: Pick<Scope, 'table' | 'readable'>
  /** From now on the caller may do nothing. */
  readonly forbid: () => void
}

/** A Table on a real log, and in a bucket if there is one, to which the caller may do everything. */
export async function servedTable(
  kind: 'keyed' | 'append' | TableSchema = 'keyed',
  bucket?: { readonly objects: ObjectStore; readonly bucket: string },
): Promise<ServedForTest> {
  const schema = kind === 'keyed' ? filmSchema : kind === 'append' ? eventSchema : kind
  const on = await testTable(schema, bucket)
  const { table } = await on.open('facade')
  // What the services under test do not look at, a cluster would have to make.
  const served = { table, backends: { streams: on.on.streams } } as unknown as ServedTable
  let allowed = true
  const whole = () => {
    if (!allowed) throw new BlastyError('TABLE_NOT_FOUND', { table: table.log.table })
    return served
  }
  const scope: Pick<Scope, 'table' | 'readable'> = {
    table: whole,
    readable: async () => ({ served: whole(), table, view: wholeTable }),
  }
  return {
    on,
    served,
    scope,
    forbid: () => {
      allowed = false
    },
  }
}

/** A stream of requests that ends, or fails, when the test says so. */
export function requests<T>() {
  const queued: T[] = []
  let wake = Promise.withResolvers<void>()
  let over = false
  let failure: unknown
  let taken = 0
  const stream = (async function* () {
    for (;;) {
      const next = queued.shift()
      if (next !== undefined) {
        taken++
        yield next
      } else if (failure !== undefined) throw failure
      else if (over) return
      else {
        await wake.promise
        wake = Promise.withResolvers()
      }
    }
  })()
  return {
    stream,
    taken: () => taken,
    send: (...messages: T[]) => {
      queued.push(...messages)
      wake.resolve()
    },
    end: () => {
      over = true
      wake.resolve()
    },
    fail: (error: unknown) => {
      failure = error
      wake.resolve()
    },
  }
}
