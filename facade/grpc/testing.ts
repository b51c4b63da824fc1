/** For tests of the gRPC machinery: methods that are not called, and what a failed call must say. */

import assert from 'node:assert/strict'
import { BlastyError } from '../../base/errors.ts'
import { RpcError } from './rpc-error.ts'

/** A method that the test does not call. */
export const unused = () => {
  throw new BlastyError('UNSUPPORTED', { what: 'this', instead: 'use another' })
}
/** Passes for an RpcError with these properties. */
export const failsWith = (expected: Partial<RpcError>) => (error: unknown) => {
  assert.ok(error instanceof RpcError, String(error))
  for (const [name, value] of Object.entries(expected)) {
    assert.deepEqual(Reflect.get(error, name), value, name)
  }
  return true
}
