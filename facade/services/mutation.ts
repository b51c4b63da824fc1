/** MutationService: atomic batches; imports and ingests, which are pipelines of them; erasures. */

import { BlastyError } from '../../base/errors.ts'
import type { ServedTable } from '../../directory/directory.ts'
import { maxBatchRows, type RowChange } from '../../engine/log/writer.ts'
import { parsed } from '../../engine/schema/parsed.ts'
import type { Row } from '../../engine/schema/schema.ts'
import type { Table } from '../../engine/table.ts'
import type { Mutation, MutationService } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import type { ServiceImplementation } from '../grpc/context.ts'
import { appendOnly, conditionOf } from './condition.ts'
import { eraseRows } from './erase.ts'
import { importRows } from './import.ts'
import { ingestLines } from './ingest.ts'
import type { Scope, WholeAction } from './scope.ts'
import type { Searchable } from './searchable.ts'
import { write } from './write.ts'

export function mutationService(
  scope: Pick<Scope, 'table'>,
  searchable: Searchable,
): ServiceImplementation<typeof MutationService> {
  return {
    async write({ table: ref, mutations, mutationId, ackLevel }, context) {
      const served = scope.table(context.identity, ref, 'table', ...actionsOf(mutations))
      const changes = changesOf(served, mutations)
      const placeOf = (index: number) => `mutations[${index}]`
      const written = await write({ served, changes, placeOf, mutationId, ackLevel }, context, searchable)
      const { token, replayed, ackLevel: reached } = written
      return {
        token,
        replayed,
        ackLevel: reached,
        revision: BigInt(written.revision),
        firstRevision: BigInt(written.first),
      }
    },
    erase: (request, context) => eraseRows(scope, request, context),
    import: (requests, context) => importRows(scope, searchable, requests, context),
    ingest: (requests, context) => ingestLines(scope, searchable, requests, context),
  }
}

function actionsOf(mutations: readonly Mutation[]): [WholeAction, ...WholeAction[]] {
  if (mutations.length > maxBatchRows) {
    throw new BlastyError('BATCH_TOO_LARGE', { limit: maxBatchRows, unit: 'mutations', actual: mutations.length })
  }
  const deletes = mutations.some(({ operation }) => operation.case === 'deleteKeyJson')
  const puts = mutations.some(({ operation }) => operation.case === 'putRowJson')
  return deletes ? (puts ? ['Put', 'Delete'] : ['Delete']) : ['Put']
}

function changesOf({ table }: ServedTable, mutations: readonly Mutation[]): RowChange[] | { append: Row[] } {
  const changes = mutations.map((mutation, index) => changeOf(table, mutation, `mutations[${index}]`))
  if (table.keyed) return changes
  for (const [index, { op, condition }] of changes.entries()) {
    if (op === 'delete') throw appendOnly(`mutations[${index}].delete_key_json`)
    if (condition !== undefined) throw appendOnly(`mutations[${index}].condition`)
  }
  return { append: changes.map(({ row }) => row) }
}

function changeOf({ schemas: { codec } }: Table, { operation, condition }: Mutation, place: string): RowChange {
  const when = conditionOf(condition, `${place}.`)
  const base = when === undefined ? {} : { condition: when }
  switch (operation.case) {
    case 'putRowJson':
      return { op: 'put', row: codec.row(parsed(operation.value, place), place), ...base }
    case 'deleteKeyJson':
      return { op: 'delete', row: codec.key(parsed(operation.value, place), place), ...base }
    case undefined:
      throw new BlastyError('INVALID_ARGUMENT', {
        field: place,
        problem: 'put_row_json or delete_key_json is required',
      })
  }
}
