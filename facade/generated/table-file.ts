/** From a Table's schema to the proto file of its own service. */

import type { TableSchema } from '../../engine/schema/schema.ts'
import { tableNames } from '../../engine/schema/service-names.ts'
import { columnFields } from './columns.ts'
import { keyMessages } from './key-messages.ts'
import { type FieldSpec, type Local, message, repeated, writeOptions, written } from './messages.ts'
import type { ProtoFile, ProtoMessage, ProtoMethod } from './model.ts'

/** The proto file of a Table: keyed ones have Get, BatchGet, List, Put, Delete and Watch; append-only ones Put and Watch. */
export function tableFile(namespace: string, table: string, schema: TableSchema): ProtoFile {
  const names = tableNames(namespace, table)
  const { fields, reserved } = columnFields(schema)
  const keyFields = schema.primaryKey.flatMap(name => fields.get(name) ?? [])
  const keyed = keyFields.length > 0
  const local = (suffix: string) => `.${names.package}.${names.prefix}${suffix}`
  const row: ProtoMessage = {
    name: `${names.prefix}Row`,
    comment: 'A row.',
    fields: [...fields.values()],
    reserved,
  }
  const messages = [
    row,
    ...(keyed ? keyMessages(names.prefix, keyFields, local) : []),
    ...putMessages(names.prefix, local, keyed),
    ...watchMessages(names.prefix, local),
  ]
  const used = new Set(messages.flatMap(message => message.fields.map(({ type }) => type)))
  return {
    path: names.path,
    package: names.package,
    comment: `Table ${table} in namespace ${namespace}, schema ${schema.number}.`,
    imports: importsFor(used),
    service: {
      name: `${names.prefix}Service`,
      comment: `Reads, writes and follows the rows of ${namespace}/${table}.`,
      methods: methods(`${names.prefix}Service`, keyed),
    },
    messages,
  }
}

/** The files that declare the types used, sorted by path. */
function importsFor(types: ReadonlySet<string>): string[] {
  const imports = new Set<string>()
  for (const type of types) {
    if (type === '.google.protobuf.Timestamp') imports.add('google/protobuf/timestamp.proto')
    else if (type === '.google.protobuf.Value') imports.add('google/protobuf/struct.proto')
    else if (/^\.blasty\.v1\.(Watch|Start|EventKind)/.test(type)) imports.add('blasty/v1/subscription_service.proto')
    else if (type.startsWith('.blasty.v1.')) imports.add('blasty/v1/common.proto')
  }
  return [...imports].sort()
}

function methods(service: string, keyed: boolean): ProtoMethod[] {
  const method = (name: string, comment: string, serverStreaming = false): ProtoMethod => ({
    name,
    input: `${service}${name}Request`,
    output: `${service}${name}Response`,
    serverStreaming,
    comment,
  })
  const put = method('Put', keyed ? 'Inserts a row or replaces it whole.' : 'Appends a row.')
  const watch = method('Watch', 'Follows changes from the start asked for until the client leaves.', true)
  if (!keyed) return [put, watch]
  return [
    method('Get', 'Reads one row by its key.'),
    method('BatchGet', 'Reads up to 1,000 rows by their keys, all at one revision.'),
    method('List', 'Reads a page of rows in the order of the key, all pages at one revision.'),
    put,
    method('Delete', 'Deletes the row with this key, if there is one.'),
    watch,
  ]
}

function putMessages(prefix: string, local: Local, keyed: boolean): ProtoMessage[] {
  const conditions: FieldSpec[] = [
    ['if_absent', 'bool', 'The row must not exist. Only true is allowed.', { oneof: 'condition' }],
    ['if_revision', 'uint64', 'The last change of the row must have this revision.', { oneof: 'condition' }],
  ]
  return [
    message(
      `${prefix}ServicePutRequest`,
      'One row to put.',
      [['row', local('Row'), 'The whole row.'], ...(keyed ? conditions : []), ...writeOptions],
      keyed ? [{ name: 'condition', comment: 'What must hold of the row before.' }] : [],
    ),
    message(`${prefix}ServicePutResponse`, 'A row put.', written),
  ]
}

const cursor: FieldSpec = [
  'cursor',
  '.blasty.v1.TablePosition',
  'Position to resume after; unset while a batch goes on.',
]

function watchMessages(prefix: string, local: Local): ProtoMessage[] {
  const start = { oneof: 'start' }
  const one = { oneof: 'message' }
  return [
    message(
      `${prefix}ServiceWatchRequest`,
      'What to follow.',
      [
        ['where', 'string', 'A SQL expression over the columns; empty = all rows.'],
        ['now', '.blasty.v1.StartNow', 'Changes after this moment.', start],
        ['snapshot', '.blasty.v1.StartSnapshot', 'Every row there is, then the changes after.', start],
        ['after', '.blasty.v1.TablePosition', 'Changes after this position.', start],
        ['heartbeat_seconds', 'uint32', 'Longest silence, 1 to 300; 0 = 15.'],
      ],
      [{ name: 'start', comment: 'Where to start; now when unset.' }],
    ),
    message(
      `${prefix}ServiceWatchResponse`,
      'A message to the watching client.',
      [
        ['rows', local('SnapshotRows'), 'Rows of the snapshot.', one],
        ['ready', '.blasty.v1.WatchReady', 'The snapshot is complete; or the watch is set up.', one],
        ['events', local('Events'), 'Changes, in the order of the log.', one],
        ['progress', '.blasty.v1.WatchProgress', 'Nothing happened up to here.', one],
      ],
      [{ name: 'message', comment: 'Rows and ready first, then events; progress at any time after.' }],
    ),
    message(`${prefix}SnapshotRows`, 'Some rows of a snapshot.', [
      ['rows', local('Row'), 'The rows.', repeated],
      ['revisions', 'uint64', 'Revision of the last change of each row.', repeated],
    ]),
    message(`${prefix}Events`, 'Some changes.', [['events', local('Event'), 'The changes.', repeated], cursor]),
    message(`${prefix}Event`, 'One change of one row.', [
      ['kind', '.blasty.v1.EventKind', 'How the row moved.', { isEnum: true }],
      ['revision', 'uint64', 'Revision of the change.'],
      ['commit_time', '.google.protobuf.Timestamp', 'When the log took it.'],
      ['old_row', local('Row'), 'The row before.'],
      ['new_row', local('Row'), 'The row after; unset when deleted or no longer seen.'],
    ]),
  ]
}
