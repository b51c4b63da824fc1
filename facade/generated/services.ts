/** The generated services that are live: one a Table, over the same functions as the generic services. */

import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import { BlastyError } from '../../base/errors.ts'
import type { ServedTable } from '../../directory/directory.ts'
import type { WatchMessage } from '../../engine/feed/watch.ts'
import type { StoredRow } from '../../engine/replica/change.ts'
import type { Row } from '../../engine/schema/schema.ts'
import type { AckLevel } from '../../proto/gen/blasty/v1/common_pb.js'
import type { WatchRequest } from '../../proto/gen/blasty/v1/subscription_service_pb.js'
import type { CallContext, DynamicHandler } from '../grpc/context.ts'
import type { ReflectionIndex } from '../grpc/reflection-index.ts'
import type { GrpcServer } from '../grpc/server.ts'
import { appendOnly, type ConditionField, conditionOf } from '../services/condition.ts'
import { checkKeyCount, type PageRequest, page, rowAt, rowsAt } from '../services/rows.ts'
import type { Scope } from '../services/scope.ts'
import type { Searchable } from '../services/searchable.ts'
import type { Snapshots } from '../services/snapshots.ts'
import { eventKinds, timestampOf, watchFor } from '../services/subscription.ts'
import { positionOf, type TokenMessage } from '../services/token.ts'
import { write } from '../services/write.ts'
import type { ColumnsCodec } from './codec.ts'
import { boundsOf, type ListRange } from './list-range.ts'
import { compileTableProto, type TableProto } from './table-proto.ts'

type Live = { readonly proto: TableProto; readonly namespace: string; readonly name: string }

export type TableServicesOptions = {
  readonly scope: Scope
  readonly server: Pick<GrpcServer, 'add' | 'remove'>
  readonly reflection: Pick<ReflectionIndex, 'add' | 'remove'>
  readonly searchable: Searchable
  readonly snapshots: Snapshots
}

export class TableServices {
  readonly #options: TableServicesOptions
  readonly #live = new Map<string, Live>()
  readonly #byService = new Map<string, Live>()

  constructor(options: TableServicesOptions) {
    this.#options = options
  }

  /** Serves the Table's service from now on, under its newest schema. */
  serve({ table }: ServedTable): void {
    const { namespace, name } = table.descriptor
    this.remove(namespace, name)
    const proto = compileTableProto(namespace, name, table.schemas.current)
    const live = { proto, namespace, name }
    this.#live.set(`${namespace}/${name}`, live)
    this.#byService.set(proto.service.typeName, live)
    const handlers = handlersOf(this.#options, live)
    const methods = Object.fromEntries(proto.service.methods.map(({ localName }) => [localName, handlers[localName]]))
    this.#options.server.add(proto.service, methods as never)
    this.#options.reflection.add(proto.service)
  }

  remove(namespace: string, name: string): void {
    const live = this.#live.get(`${namespace}/${name}`)
    if (live === undefined) return
    this.#live.delete(`${namespace}/${name}`)
    this.#byService.delete(live.proto.service.typeName)
    this.#options.server.remove(live.proto.service)
    this.#options.reflection.remove(live.proto.service.typeName)
  }

  protoOf(namespace: string, name: string): TableProto | undefined {
    return this.#live.get(`${namespace}/${name}`)?.proto
  }

  /** Full name of the service; empty when it is not live. */
  nameOf(namespace: string, name: string): string {
    return this.protoOf(namespace, name)?.service.typeName ?? ''
  }

  /** The Table that a service is of; undefined for one that is no Table's. */
  tableOf(service: string): { readonly namespace: string; readonly name: string } | undefined {
    return this.#byService.get(service)
  }
}

type PutRequest = WriteRequest & {
  readonly row?: object
  readonly condition?: ConditionField
}
type WriteRequest = { readonly mutationId: string; readonly ackLevel: AckLevel }
type DeleteRequest = WriteRequest & Pick<PutRequest, 'condition'> & { readonly key?: object }
type GetRequest = { readonly key?: object; readonly minToken?: TokenMessage }
type BatchGetRequest = { readonly keys: readonly object[]; readonly minToken?: TokenMessage }
type ListRequest = Omit<PageRequest, 'bounds'> & ListRange

function handlersOf(options: TableServicesOptions, { proto, namespace, name }: Live): Record<string, DynamicHandler> {
  const { scope, searchable, snapshots } = options
  const ref = { namespace, name }
  const keyCodec = (): ColumnsCodec => {
    if (proto.key === undefined) throw new BlastyError('UNSUPPORTED', { what: 'a key', instead: 'the table has none' })
    return proto.key
  }
  const keyOf = ({ table }: ServedTable, key: object | undefined, place = 'key'): Row => {
    if (key === undefined) throw new BlastyError('INVALID_ARGUMENT', { field: place, problem: 'is required' })
    return table.schemas.codec.key(keyCodec().read(key, place), place)
  }
  const typed = ({ table }: ServedTable, row: StoredRow) => proto.row.write(row.row(table.schemas.codec))
  const answer = (written: Awaited<ReturnType<typeof write>>) => {
    const { token, replayed, ackLevel, first } = written
    return { token, replayed, ackLevel, revision: BigInt(first) }
  }

  return {
    get: (async (request: GetRequest, context: CallContext) => {
      const viewed = await scope.readable(context.identity, ref, 'table', 'Get')
      const { served } = viewed
      const key = served.table.schemas.encodeKey(keyOf(served, request.key))
      const { row, token } = await rowAt(viewed, key, request.minToken, context)
      return { row: typed(served, row), revision: BigInt(row.revision), token }
    }) as DynamicHandler,

    batchGet: (async ({ keys, minToken }: BatchGetRequest, context: CallContext) => {
      const viewed = await scope.readable(context.identity, ref, 'table', 'Get')
      const { served } = viewed
      checkKeyCount(keys.length, 'keys')
      const encoded = keys.map((key, index) => served.table.schemas.encodeKey(keyOf(served, key, `keys[${index}]`)))
      const { rows, token } = await rowsAt(viewed, encoded, minToken, context)
      const results = rows.map(row => (row ? { row: typed(served, row), revision: BigInt(row.revision) } : {}))
      return { results, token }
    }) as DynamicHandler,

    list: (async ({ pageSize, pageToken, minToken, ...range }: ListRequest, context: CallContext) => {
      const viewed = await scope.readable(context.identity, ref, 'table', 'List')
      const { served } = viewed
      const bounds = boundsOf(served.table.schemas.codec, proto.keyPrefix, range)
      const request = { pageSize, pageToken, minToken, bounds }
      const { rows, nextPageToken, token } = await page(viewed, request, snapshots, context)
      return {
        rows: rows.map(row => typed(served, row)),
        revisions: rows.map(row => BigInt(row.revision)),
        nextPageToken,
        token,
      }
    }) as DynamicHandler,

    put: (async ({ row: message, condition, mutationId, ackLevel }: PutRequest, context: CallContext) => {
      const served = scope.table(context.identity, ref, 'table', 'Put')
      if (message === undefined) throw new BlastyError('INVALID_ARGUMENT', { field: 'row', problem: 'is required' })
      const row = served.table.schemas.codec.row(proto.row.read(message, 'row'), 'row')
      const when = conditionOf(condition, '')
      if (when !== undefined && !served.table.keyed) throw appendOnly('condition')
      const changes = served.table.keyed
        ? [{ op: 'put' as const, row, ...(when === undefined ? {} : { condition: when }) }]
        : { append: [row] }
      return answer(await write({ served, changes, placeOf: () => 'row', mutationId, ackLevel }, context, searchable))
    }) as DynamicHandler,

    delete: (async ({ key, condition, mutationId, ackLevel }: DeleteRequest, context: CallContext) => {
      const served = scope.table(context.identity, ref, 'table', 'Delete')
      const when = conditionOf(condition, '')
      const changes = [
        { op: 'delete' as const, row: keyOf(served, key), ...(when === undefined ? {} : { condition: when }) },
      ]
      return answer(await write({ served, changes, placeOf: () => 'key', mutationId, ackLevel }, context, searchable))
    }) as DynamicHandler,

    watch: async function* (request: WatchRequest, context: CallContext) {
      for await (const { table, message } of watchFor(scope, ref, request, context)) {
        yield { message: watchMessage(table, message, row => proto.row.write(row.row(table.schemas.codec))) }
      }
    } as DynamicHandler,
  }
}

function watchMessage(
  table: ServedTable['table'],
  message: WatchMessage,
  typed: (row: StoredRow) => MessageInitShape<DescMessage>,
) {
  switch (message.kind) {
    case 'rows':
      return {
        case: 'rows',
        value: { rows: message.rows.map(typed), revisions: message.rows.map(row => BigInt(row.revision)) },
      }
    case 'ready':
    case 'progress':
      return { case: message.kind, value: { cursor: positionOf(table, message.revision) } }
    case 'events': {
      const events = message.events.map(({ kind, revision, commitTime, old, new: next }) => ({
        kind: eventKinds[kind],
        revision: BigInt(revision),
        commitTime: timestampOf(commitTime),
        ...(old === undefined ? {} : { oldRow: typed(old) }),
        ...(next === undefined ? {} : { newRow: typed(next) }),
      }))
      const cursor = message.revision === undefined ? {} : { cursor: positionOf(table, message.revision) }
      return { case: 'events', value: { events, ...cursor } }
    }
  }
}
