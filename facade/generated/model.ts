/** A proto file as plain data: what both its text and its descriptor are made from. */

export type ProtoField = {
  readonly name: string
  readonly number: number
  /** A scalar (`string`) or the full name of a message or enum with a leading dot (`.google.protobuf.Timestamp`). */
  readonly type: string
  /** True when `type` names an enum. */
  readonly isEnum?: boolean
  /** `optional` is for scalars; message fields know presence without it. */
  readonly label?: 'optional' | 'repeated'
  /** Name of the oneof it belongs to; fields of one oneof stand together. */
  readonly oneof?: string
  readonly jsonName: string
  readonly comment: string
}

export type ProtoMessage = {
  readonly name: string
  readonly comment: string
  readonly fields: readonly ProtoField[]
  readonly oneofs?: readonly { readonly name: string; readonly comment: string }[]
  readonly reserved?: readonly { readonly name: string; readonly number: number }[]
}

export type ProtoMethod = {
  readonly name: string
  readonly input: string
  readonly output: string
  readonly serverStreaming?: boolean
  readonly comment: string
}

export type ProtoService = {
  readonly name: string
  readonly comment: string
  readonly methods: readonly ProtoMethod[]
}

export type ProtoFile = {
  readonly path: string
  readonly package: string
  readonly comment: string
  readonly imports: readonly string[]
  readonly service: ProtoService
  readonly messages: readonly ProtoMessage[]
}
