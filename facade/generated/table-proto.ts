/** Everything that makes a Table's own service: its descriptors, its text and the codecs of its messages. */

import { create, createFileRegistry, type DescFile, type DescMessage, type DescService } from '@bufbuild/protobuf'
import {
  type FileDescriptorSet,
  FileDescriptorSetSchema,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
} from '@bufbuild/protobuf/wkt'
import { BlastyError } from '../../base/errors.ts'
import type { TableSchema } from '../../engine/schema/schema.ts'
import { tableNames } from '../../engine/schema/service-names.ts'
import { file_blasty_v1_common } from '../../proto/gen/blasty/v1/common_pb.js'
import { file_blasty_v1_subscription_service } from '../../proto/gen/blasty/v1/subscription_service_pb.js'
import { dependenciesFirst } from '../grpc/reflection-index.ts'
import { type ColumnsCodec, columnsCodec } from './codec.ts'
import { fileDescriptor } from './descriptor.ts'
import { protoText } from './proto-text.ts'
import { tableFile } from './table-file.ts'

export type TableProto = {
  readonly file: DescFile
  readonly service: DescService
  /** Path of the file, for imports. */
  readonly path: string
  readonly text: string
  /** The file and all it imports, each after what it needs. */
  readonly descriptorSet: FileDescriptorSet
  readonly row: ColumnsCodec
  /** Unset for an append-only Table. */
  readonly key?: ColumnsCodec
  /** Of leading key columns; unset as `key` is. */
  readonly keyPrefix?: ColumnsCodec
}

const known = new Map(
  [
    file_google_protobuf_struct,
    file_google_protobuf_timestamp,
    file_blasty_v1_common,
    file_blasty_v1_subscription_service,
  ].map(file => [file.proto.name, file]),
)

/** Compiles the service of a Table for one schema. The same input always gives the same service. */
export function compileTableProto(namespace: string, table: string, schema: TableSchema): TableProto {
  const model = tableFile(namespace, table, schema)
  const names = tableNames(namespace, table)
  const registry = createFileRegistry(fileDescriptor(model), path => known.get(path))
  const file = registry.getFile(names.path)
  const service = registry.getService(names.service)
  const row = registry.getMessage(`${names.package}.${names.prefix}Row`)
  const key = registry.getMessage(`${names.package}.${names.prefix}Key`)
  const keyPrefix = registry.getMessage(`${names.package}.${names.prefix}KeyPrefix`)
  if (!file || !service || !row) throw new BlastyError('INTERNAL', { id: `no descriptor for ${names.service}` })
  const codec = (desc: DescMessage) => columnsCodec(desc, schema, `${namespace}/${table}`)
  return {
    file,
    service,
    path: names.path,
    text: protoText(model),
    descriptorSet: create(FileDescriptorSetSchema, { file: dependenciesFirst(file).map(({ proto }) => proto) }),
    row: codec(row),
    ...(key ? { key: codec(key) } : {}),
    ...(keyPrefix ? { keyPrefix: codec(keyPrefix) } : {}),
  }
}
