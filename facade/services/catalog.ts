/** CatalogService: what there is for the caller, and what the caller may do. */

import { BlastyError } from '../../base/errors.ts'
import type { Index, Subscription } from '../../crds/types.gen.ts'
import { indexes, subscriptions, tables } from '../../directory/kinds.ts'
import type { Column } from '../../engine/schema/schema.ts'
import { type Kind, keyFor } from '../../operator/mod.ts'
import {
  Action as ActionMessage,
  type CatalogService,
  type ListIndexesRequest,
  type ListSubscriptionsRequest,
} from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import { ColumnType } from '../../proto/gen/blasty/v1/common_pb.js'
import { QueryEngine } from '../../proto/gen/blasty/v1/query_service_pb.js'
import type { Identity } from '../auth/identity.ts'
import type { Action } from '../auth/policy.ts'
import type { TableServices } from '../generated/services.ts'
import type { ServiceImplementation } from '../grpc/context.ts'
import { getErasure } from './erase.ts'
import { engineNow } from './lake-sql.ts'
import { isReady, type Scope } from './scope.ts'
import { positionOf } from './token.ts'

const defaultPageSize = 100
const maxPageSize = 1000

const actions: Readonly<Partial<Record<ActionMessage, Action>>> = {
  [ActionMessage.GET]: 'Get',
  [ActionMessage.LIST]: 'List',
  [ActionMessage.QUERY]: 'Query',
  [ActionMessage.SEARCH]: 'Search',
  [ActionMessage.SUBSCRIBE]: 'Subscribe',
  [ActionMessage.PUT]: 'Put',
  [ActionMessage.DELETE]: 'Delete',
  [ActionMessage.READ_BLOB]: 'ReadBlob',
  [ActionMessage.WRITE_BLOB]: 'WriteBlob',
  [ActionMessage.ERASE]: 'Erase',
}

const columnTypes: Readonly<Record<Column['type'], ColumnType>> = {
  String: ColumnType.STRING,
  Int32: ColumnType.INT32,
  Int64: ColumnType.INT64,
  Double: ColumnType.DOUBLE,
  Decimal: ColumnType.DECIMAL,
  Boolean: ColumnType.BOOLEAN,
  Date: ColumnType.DATE,
  Timestamp: ColumnType.TIMESTAMP,
  UUID: ColumnType.UUID,
  Bytes: ColumnType.BYTES,
  JSON: ColumnType.JSON,
  GeoPoint: ColumnType.GEO_POINT,
  Blob: ColumnType.BLOB,
  Array: ColumnType.ARRAY,
}

export function catalogService(scope: Scope, services: TableServices): ServiceImplementation<typeof CatalogService> {
  const { directory } = scope
  const summary = (namespace: string, name: string) => {
    const served = directory.table(namespace, name)
    const ready = served !== undefined && isReady(served.resource)
    return { table: { namespace, name }, ready, service: served === undefined ? '' : services.nameOf(namespace, name) }
  }
  /** The Table, if the caller may do anything with it. */
  const known = (identity: Identity, ref: { namespace: string; name: string } | undefined) => {
    const { namespace = '', name = '' } = ref ?? {}
    const resource = directory.read(tables).get(keyFor(name, namespace))
    if (resource === undefined || scope.allowed(identity, { namespace, name }).size === 0) {
      throw new BlastyError('TABLE_NOT_FOUND', { table: `${namespace}/${name}` })
    }
    return { namespace, name, served: directory.table(namespace, name) }
  }
  /** A page of what hangs on Tables on which the caller may do `action`. */
  const dependents = <T extends Index | Subscription>(
    kind: Kind<T>,
    action: Action,
    { namespace, table, pageSize, pageToken }: ListIndexesRequest | ListSubscriptionsRequest,
    identity: Identity,
  ) => {
    const found = directory
      .read(kind)
      .list(namespace === '' ? undefined : namespace)
      .filter(({ spec }) => table === '' || spec.tableRef.name === table)
      .filter(({ metadata, spec }) =>
        scope.allowed(identity, { namespace: metadata.namespace, name: spec.tableRef.name }).has(action),
      )
      .map(one => ({ namespace: one.metadata.namespace, name: one.metadata.name, one }))
    return pageOf(found, pageSize, pageToken)
  }
  return {
    async listTables({ namespace, pageSize, pageToken }, { identity }) {
      const found = directory
        .read(tables)
        .list(namespace === '' ? undefined : namespace)
        .map(({ metadata }) => metadata)
        .filter(table => scope.allowed(identity, table).size > 0)
      const { items, nextPageToken } = pageOf(found, pageSize, pageToken)
      return { tables: items.map(table => summary(table.namespace, table.name)), nextPageToken }
    },
    async getTable({ table: ref }, { identity }) {
      const { namespace, name, served } = known(identity, ref)
      if (served === undefined) return { summary: summary(namespace, name) }
      const schema = served.table.schemas.current
      const { last } = {
        last: served.backends.reports
          .current()
          .find(one => one.kind === 'table' && one.tableUid === served.table.descriptor.uid),
      }
      return {
        summary: summary(namespace, name),
        schemaNumber: schema.number,
        columns: schema.columns.map(columnMessage),
        primaryKey: [...schema.primaryKey],
        queryEngine: engineNow(served) === 'Trino' ? QueryEngine.TRINO : QueryEngine.EMBEDDED,
        position: positionOf(served.table, last?.kind === 'table' ? last.revision : 0),
      }
    },
    async getTableProto({ table: ref }, { identity }) {
      const { namespace, name, served } = known(identity, ref)
      const proto = served && services.protoOf(namespace, name)
      if (proto === undefined) {
        throw new BlastyError('TABLE_NOT_READY', {
          table: `${namespace}/${name}`,
          reason: 'its service is being set up',
        })
      }
      return {
        path: proto.path,
        protoText: proto.text,
        descriptorSet: proto.descriptorSet,
        service: proto.service.typeName,
      }
    },
    async listIndexes(request, { identity }) {
      const { items, nextPageToken } = dependents(indexes, 'Search', request, identity)
      return {
        nextPageToken,
        indexes: items.map(({ namespace, name, one }) => ({
          index: { namespace, name },
          table: one.spec.tableRef.name,
          ready: isReady(one),
          searchable: one.spec.searchable ?? [],
          filterable: one.spec.filterable ?? [],
          sortable: one.spec.sortable ?? [],
          ...progressOf(one.status?.tableUID, one.status?.progress),
        })),
      }
    },
    async listSubscriptions(request, { identity }) {
      const { items, nextPageToken } = dependents(subscriptions, 'Subscribe', request, identity)
      return {
        nextPageToken,
        subscriptions: items.map(({ namespace, name, one }) => ({
          subscription: { namespace, name },
          table: one.spec.tableRef.name,
          ready: isReady(one),
          where: one.spec.where ?? '',
          ...progressOf(one.status?.tableUID, one.status?.progress),
        })),
      }
    },
    getErasure: (request, context) => getErasure(scope, request, context),
    async whoAmI(_, { identity: { user, groups } }) {
      return { user, groups: [...groups] }
    },
    async canI({ table, action }, { identity }) {
      const wanted = actions[action]
      if (wanted === undefined) throw new BlastyError('INVALID_ARGUMENT', { field: 'action', problem: 'is required' })
      const { namespace = '', name = '' } = table ?? {}
      return { allowed: scope.allowed(identity, { namespace, name }).has(wanted) }
    },
  }
}

function progressOf(tableUid: string | undefined, progress: { epoch?: number; revision?: string } | undefined) {
  if (tableUid === undefined || progress?.revision === undefined) return {}
  return { position: { tableUid, epoch: progress.epoch ?? 0, revision: BigInt(progress.revision) } }
}

function columnMessage({ name, type, precision = 0, scale = 0, items, required, field }: Column) {
  return {
    name,
    type: columnTypes[type],
    precision: items?.precision ?? precision,
    scale: items?.scale ?? scale,
    itemType: items === undefined ? ColumnType.UNSPECIFIED : columnTypes[items.type],
    required,
    field,
  }
}

/** A page of what is sorted by namespace and name; the token is the last name of the page before. */
function pageOf<T extends { readonly namespace: string; readonly name: string }>(
  all: readonly T[],
  pageSize: number,
  pageToken: string,
): { readonly items: T[]; readonly nextPageToken: string } {
  if (pageSize > maxPageSize)
    throw new BlastyError('INVALID_ARGUMENT', { field: 'page_size', problem: `must be at most ${maxPageSize}` })
  const size = pageSize === 0 ? defaultPageSize : pageSize
  const place = ({ namespace, name }: T) => `${namespace}/${name}`
  const rest = [...all].sort((a, b) => (place(a) < place(b) ? -1 : 1)).filter(one => place(one) > pageToken)
  const items = rest.slice(0, size)
  const last = items.at(-1)
  return { items, nextPageToken: rest.length > size && last !== undefined ? place(last) : '' }
}
