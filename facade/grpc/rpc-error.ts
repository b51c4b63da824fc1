/** What a failed call tells, read from the status and its google.rpc details. */

import { fromBinary } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { Metadata, status } from '@grpc/grpc-js'
import type { FieldViolation } from '../../base/errors.ts'
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '../../proto/gen/google/rpc/error_details_pb.js'
import { StatusSchema } from '../../proto/gen/google/rpc/status_pb.js'
import { detailsKey } from './status.ts'

/** A call that failed. Branch on `reason` if set, else on `status`. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  /** Name of the gRPC status, such as NOT_FOUND. */
  readonly status: string
  /** Code of the error catalogue; unset when the error was made elsewhere, such as on the network. */
  readonly reason: string | undefined
  readonly violations: readonly FieldViolation[]
  /** Seconds to wait before trying again; unset when that is of no use. */
  readonly retryAfterSeconds: number | undefined
  /** Values of the message's places. */
  readonly details: Readonly<Record<string, string>>

  constructor(
    statusName: string,
    message: string,
    told: {
      reason?: string
      violations?: readonly FieldViolation[]
      retryAfterSeconds?: number
      details?: Record<string, string>
    },
    cause: unknown,
  ) {
    super(message, { cause })
    this.status = statusName
    this.reason = told.reason
    this.violations = told.violations ?? []
    this.retryAfterSeconds = told.retryAfterSeconds
    this.details = told.details ?? {}
  }
}

/** The RpcError of an error of grpc-js; any other error as it is. */
export function rpcError(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return error
  const message = 'details' in error && typeof error.details === 'string' ? error.details : error.message
  const metadata = 'metadata' in error && error.metadata instanceof Metadata ? error.metadata : undefined
  return new RpcError(status[error.code] ?? 'UNKNOWN', message, toldBy(metadata), error)
}

function toldBy(metadata: Metadata | undefined) {
  const bytes = metadata?.get(detailsKey)[0]
  const told: ConstructorParameters<typeof RpcError>[2] = {}
  if (!Buffer.isBuffer(bytes)) return told
  for (const any of fromBinary(StatusSchema, bytes).details) {
    const info = anyUnpack(any, ErrorInfoSchema)
    if (info) Object.assign(told, { reason: info.reason, details: info.metadata })
    const bad = anyUnpack(any, BadRequestSchema)
    if (bad) {
      const violations = bad.fieldViolations.map(({ field, description }) => ({ field, description }))
      Object.assign(told, { violations })
    }
    const retry = anyUnpack(any, RetryInfoSchema)
    if (retry?.retryDelay) told.retryAfterSeconds = Number(retry.retryDelay.seconds) + retry.retryDelay.nanos / 1e9
  }
  return told
}
