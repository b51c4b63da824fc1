/** Errors as gRPC answers them: status, message and google.rpc details in `grpc-status-details-bin`. */

import { randomUUID } from 'node:crypto'
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { type Any, anyPack } from '@bufbuild/protobuf/wkt'
import { Metadata, type StatusObject, status } from '@grpc/grpc-js'
import { BlastyError, type ErrorDetails, type FieldViolation, isBlastyError } from '../../base/errors.ts'
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '../../proto/gen/google/rpc/error_details_pb.js'
import { StatusSchema } from '../../proto/gen/google/rpc/status_pb.js'

/** `domain` of every google.rpc.ErrorInfo; `reason` is the code of the error catalogue. */
export const errorDomain = 'blasty.dev'
export const detailsKey = 'grpc-status-details-bin'

/** Trailers are sent in one header block, which some clients limit to 8 KiB; these bounds, in bytes, keep below. */
const maxMessage = 512
const maxText = 256
const maxViolations = 2048
const retryDelaySeconds = 1n

export type ErrorLog = {
  /** Called for every error that is no one's of the catalogue. `id` is what the caller was told. */
  readonly internalError: (id: string, path: string, error: unknown) => void
}

/**
 * The answer to an error. One of the catalogue is told with its details; any other is logged under a random id and told as
 * INTERNAL with that id and nothing else.
 */
export function statusOf(error: unknown, path: string, log: ErrorLog, newId: () => string = randomUUID): StatusObject {
  if (isBlastyError(error)) return describe(error)
  const id = newId()
  log.internalError(id, path, error)
  return describe(new BlastyError('INTERNAL', { id }))
}

function describe(error: BlastyError): StatusObject {
  const code = status[error.entry.status]
  const message = cut(error.message, maxMessage)
  const details = [pack(ErrorInfoSchema, { reason: error.code, domain: errorDomain, metadata: textOf(error.details) })]
  if (error.entry.retryable) {
    details.push(pack(RetryInfoSchema, { retryDelay: { seconds: retryDelaySeconds, nanos: 0 } }))
  }
  if (error.violations.length > 0) details.push(badRequest(error.violations))
  const metadata = new Metadata()
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, create(StatusSchema, { code, message, details }))))
  return { code, details: message, metadata }
}

/** As many violations, from the first, as there is room for. */
function badRequest(violations: readonly FieldViolation[]): Any {
  const shown: FieldViolation[] = []
  let bytes = 0
  for (const violation of violations) {
    const field = cut(violation.field, maxText)
    const description = cut(violation.description, maxText)
    bytes += Buffer.byteLength(field) + Buffer.byteLength(description)
    if (bytes > maxViolations) break
    shown.push({ field, description })
  }
  return pack(BadRequestSchema, { fieldViolations: shown })
}

function textOf(details: ErrorDetails): Record<string, string> {
  return Object.fromEntries(Object.entries(details).map(([name, value]) => [name, cut(String(value), maxText)]))
}

/** The text, or as much of it as fits `bytes` of UTF-8 with three dots after it. */
function cut(text: string, bytes: number): string {
  const whole = text.toWellFormed()
  if (Buffer.byteLength(whole) <= bytes) return whole
  const { read } = new TextEncoder().encodeInto(whole, new Uint8Array(bytes - 3))
  return `${whole.slice(0, read)}...`
}

function pack<D extends DescMessage>(desc: D, init: MessageInitShape<D>): Any {
  return anyPack(desc, create(desc, init))
}
