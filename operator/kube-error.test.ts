import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ApiException } from '@kubernetes/client-node'
import {
  errorFromAnswer,
  errorFromNetwork,
  isConflict,
  isGone,
  isNotFound,
  isTransient,
  toKubeError,
} from './kube-error.ts'

describe('an error of the API server', () => {
  it('is one line with the reason and what the server says', () => {
    const body = { kind: 'Status', reason: 'NotFound', code: 404, message: 'tables.blasty.dev "films" not found' }
    const error = errorFromAnswer('get tables cinema/films', 404, JSON.stringify(body))
    assert.equal(error.message, 'get tables cinema/films: NotFound (404): tables.blasty.dev "films" not found')
    assert.ok(isNotFound(error))
  })

  it('never shows the headers and body that the client library puts into its message', () => {
    const body = JSON.stringify({ reason: 'Forbidden', message: 'no', details: { secret: 'hidden' } })
    const error = toKubeError('review a token', new ApiException(403, 'x', body, { authorization: 'Bearer hidden' }))
    assert.equal(error.message, 'review a token: Forbidden (403): no')
    assert.ok(error.cause instanceof ApiException)
  })

  it('stays short, whatever a proxy sends', () => {
    const error = errorFromAnswer('list x', 502, `<html>${'a\n'.repeat(10_000)}</html>`)
    assert.ok(error.message.length < 600)
    assert.ok(isTransient(error))
  })

  it('says why no answer came', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' })
    const error = errorFromNetwork('list x', new TypeError('fetch failed', { cause: refused }))
    assert.equal(error.message, 'list x: Unreachable: connect ECONNREFUSED 127.0.0.1:1')
    assert.ok(isTransient(error))
  })

  it('takes AlreadyExists for no conflict, and 410 for gone', () => {
    assert.equal(isConflict(errorFromAnswer('x', 409, { reason: 'AlreadyExists' })), false)
    assert.ok(isGone(errorFromAnswer('x', 410, { reason: 'Expired' })))
    assert.equal(isTransient(errorFromAnswer('x', 422, { reason: 'Invalid' })), false)
  })
})
