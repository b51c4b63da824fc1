/** The standard reflection service, v1 and v1alpha, over services that come and go, each caller seeing its own. */

import type { DescFile, MessageShape } from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import type { ServerReflectionRequestSchema } from '../../proto/gen/grpc/reflection/v1/reflection_pb.js'
import type { ServerReflectionRequestSchema as AlphaRequestSchema } from '../../proto/gen/grpc/reflection/v1alpha/reflection_pb.js'
import type { Identity } from '../auth/identity.ts'
import type { CallContext } from './context.ts'
import { dependenciesFirst, type ReflectionIndex, type Visible } from './reflection-index.ts'

type Ask = Pick<
  MessageShape<typeof ServerReflectionRequestSchema> | MessageShape<typeof AlphaRequestSchema>,
  'host' | 'messageRequest'
>

/**
 * Serves both versions: their messages are alike but for the package.
 * @param mayKnow whether the caller may know of a service, by its full name
 */
export function reflectionService(index: ReflectionIndex, mayKnow: (identity: Identity, service: string) => boolean) {
  return {
    async *serverReflectionInfo(requests: AsyncIterable<Ask>, { identity }: CallContext) {
      const visible: Visible = service => mayKnow(identity, service)
      for await (const { host, messageRequest } of requests) {
        const originalRequest = { host, messageRequest: copied(messageRequest) }
        yield { validHost: host, originalRequest, messageResponse: answer(index, messageRequest, visible) }
      }
    },
  }
}

/** What was asked, free of the version it came in. */
function copied(ask: Ask['messageRequest']) {
  if (ask.case !== 'fileContainingExtension') return ask
  const { containingType, extensionNumber } = ask.value
  return { case: ask.case, value: { containingType, extensionNumber } }
}

function answer(index: ReflectionIndex, ask: Ask['messageRequest'], visible: Visible) {
  switch (ask.case) {
    case 'listServices': {
      const service = index.services(visible).map(name => ({ name }))
      return { case: 'listServicesResponse' as const, value: { service } }
    }
    case 'fileByFilename':
      return files(index, index.fileByName(ask.value, visible), ask.value)
    case 'fileContainingSymbol':
      return files(index, index.fileOfSymbol(ask.value, visible), ask.value)
    case 'allExtensionNumbersOfType':
      if (!index.fileOfSymbol(ask.value, visible)) return failed(status.NOT_FOUND, `no type ${ask.value}`)
      return { case: 'allExtensionNumbersResponse' as const, value: { baseTypeName: ask.value, extensionNumber: [] } }
    case 'fileContainingExtension':
      return failed(status.NOT_FOUND, `no extension ${ask.value.extensionNumber} of ${ask.value.containingType}`)
    case undefined:
      return failed(status.INVALID_ARGUMENT, 'message_request is not set')
  }
}

/** The file, then everything it imports, each before what it needs itself: read backwards, the order that builders want. */
function files(index: ReflectionIndex, file: DescFile | undefined, asked: string) {
  if (!file) return failed(status.NOT_FOUND, `no file or symbol ${asked}`)
  const all = dependenciesFirst(file).reverse()
  return {
    case: 'fileDescriptorResponse' as const,
    value: { fileDescriptorProto: all.map(one => index.serialized(one)) },
  }
}

function failed(errorCode: number, errorMessage: string) {
  return { case: 'errorResponse' as const, value: { errorCode, errorMessage } }
}
