/** Which services there are now, and in which file each of their symbols is declared. */

import { type DescFile, type DescMethod, type DescService, toBinary } from '@bufbuild/protobuf'
import { nestedTypes } from '@bufbuild/protobuf/reflect'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'

/** A service to be reflected, generated or built at run time. */
export type ReflectedService = Pick<DescService, 'typeName' | 'file'>

/** Says whether a caller may know of a service. */
export type Visible = (service: string) => boolean

/** The services of a server, for reflection. Files that declare none of them belong to everyone who asks. */
export class ReflectionIndex {
  readonly #services = new Map<string, ReflectedService>()
  readonly #serialized = new WeakMap<DescFile, Uint8Array>()
  #index: { readonly files: Map<string, DescFile>; readonly symbols: Map<string, DescFile> } | undefined

  /** Adds a service, or replaces the one of that name. */
  add(service: ReflectedService): void {
    this.#services.set(service.typeName, service)
    this.#index = undefined
  }

  remove(typeName: string): void {
    this.#services.delete(typeName)
    this.#index = undefined
  }

  /** Names of all services the caller may know, sorted. */
  services(visible: Visible): string[] {
    return [...this.#services.keys()].filter(visible).sort()
  }

  /** The file of that path (`blasty/v1/common.proto`). */
  fileByName(name: string, visible: Visible): DescFile | undefined {
    return this.#ifVisible(this.#indexed().files.get(name), visible)
  }

  /** The file that declares a service, method, message, enum or extension, by its full name. */
  fileOfSymbol(symbol: string, visible: Visible): DescFile | undefined {
    return this.#ifVisible(this.#indexed().symbols.get(symbol), visible)
  }

  /** The serialized FileDescriptorProto. */
  serialized(file: DescFile): Uint8Array {
    let bytes = this.#serialized.get(file)
    if (!bytes) {
      bytes = toBinary(FileDescriptorProtoSchema, file.proto)
      this.#serialized.set(file, bytes)
    }
    return bytes
  }

  #ifVisible(file: DescFile | undefined, visible: Visible): DescFile | undefined {
    const own = file?.services.filter(({ typeName }) => this.#services.has(typeName)) ?? []
    return own.length === 0 || own.some(({ typeName }) => visible(typeName)) ? file : undefined
  }

  #indexed() {
    this.#index ??= indexOf(this.#services.values())
    return this.#index
  }
}

function indexOf(services: Iterable<ReflectedService>) {
  const files = new Map<string, DescFile>()
  const symbols = new Map<string, DescFile>()
  const add = (file: DescFile): void => {
    if (files.has(file.proto.name)) return
    files.set(file.proto.name, file)
    for (const type of nestedTypes(file)) {
      symbols.set(type.typeName, file)
      if (type.kind === 'service') for (const method of type.methods) symbols.set(fullName(method), file)
    }
    file.dependencies.forEach(add)
  }
  for (const { file } of services) add(file)
  return { files, symbols }
}

/** A file and everything it imports, each after what it needs. */
export function dependenciesFirst(file: DescFile): DescFile[] {
  const ordered = new Set<DescFile>()
  const add = (one: DescFile): void => {
    if (ordered.has(one)) return
    one.dependencies.forEach(add)
    ordered.add(one)
  }
  add(file)
  return [...ordered]
}

const fullName = (method: DescMethod): string => `${method.parent.typeName}.${method.name}`
