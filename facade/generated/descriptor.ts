/** A proto file as a FileDescriptorProto: what reflection tells and messages are read by. */

import { create } from '@bufbuild/protobuf'
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  FieldDescriptorProtoSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt'
import type { ProtoField, ProtoFile, ProtoMessage } from './model.ts'

const scalars: Readonly<Record<string, Type>> = {
  string: Type.STRING,
  int32: Type.INT32,
  uint32: Type.UINT32,
  int64: Type.INT64,
  uint64: Type.UINT64,
  double: Type.DOUBLE,
  bool: Type.BOOL,
  bytes: Type.BYTES,
}

// Field numbers of descriptor.proto that the paths of source locations are made of.
const path = { message: 4, service: 6, field: 2, oneof: 8, method: 2, syntax: 12 }

/** The descriptor of a file, comments included. */
export function fileDescriptor(file: ProtoFile): FileDescriptorProto {
  const { service } = file
  const location = (at: number[], text: string) => ({ path: at, span: [0, 0, 0], leadingComments: ` ${text}\n` })
  return create(FileDescriptorProtoSchema, {
    name: file.path,
    package: file.package,
    syntax: 'proto3',
    dependency: [...file.imports],
    messageType: file.messages.map(messageDescriptor),
    service: [
      {
        name: service.name,
        method: service.methods.map(({ name, input, output, serverStreaming }) => ({
          name,
          inputType: `.${file.package}.${input}`,
          outputType: `.${file.package}.${output}`,
          ...(serverStreaming ? { serverStreaming } : {}),
        })),
      },
    ],
    sourceCodeInfo: {
      location: [
        location([path.syntax], file.comment),
        location([path.service, 0], service.comment),
        ...service.methods.map((method, i) => location([path.service, 0, path.method, i], method.comment)),
        ...file.messages.flatMap((message, m) => [
          location([path.message, m], message.comment),
          ...(message.oneofs ?? []).map((oneof, i) => location([path.message, m, path.oneof, i], oneof.comment)),
          ...message.fields.map((field, i) => location([path.message, m, path.field, i], field.comment)),
        ]),
      ],
    },
  })
}

function messageDescriptor(message: ProtoMessage): DescriptorProto {
  const oneofs = (message.oneofs ?? []).map(({ name }) => name)
  const reserved = message.reserved ?? []
  // An optional field sits alone in a oneof of its own; those come after the real ones.
  const field = message.fields.map(field => {
    if (field.label !== 'optional') return fieldDescriptor(field, oneofs.indexOf(field.oneof ?? ''))
    return fieldDescriptor(field, oneofs.push(`_${field.name}`) - 1)
  })
  return create(DescriptorProtoSchema, {
    name: message.name,
    field,
    oneofDecl: oneofs.map(name => ({ name })),
    reservedRange: reserved.map(({ number }) => ({ start: number, end: number + 1 })),
    reservedName: reserved.map(({ name }) => name),
  })
}

function fieldDescriptor(field: ProtoField, oneofIndex: number) {
  const scalar = scalars[field.type]
  return create(FieldDescriptorProtoSchema, {
    name: field.name,
    number: field.number,
    label: field.label === 'repeated' ? Label.REPEATED : Label.OPTIONAL,
    jsonName: field.jsonName,
    ...(scalar === undefined
      ? { type: field.isEnum ? Type.ENUM : Type.MESSAGE, typeName: field.type }
      : { type: scalar }),
    ...(oneofIndex < 0 ? {} : { oneofIndex }),
    ...(field.label === 'optional' ? { proto3Optional: true } : {}),
  })
}
