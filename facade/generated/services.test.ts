/** A Table's own service over a real Table: typed keys and rows in, typed rows out. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, type DescMessage, fromJson, type JsonValue, type Message, toJson } from '@bufbuild/protobuf'
import { isBlastyError } from '../../base/errors.ts'
import { patience } from '../../engine/testing.ts'
import type { CallContext } from '../grpc/context.ts'
import type { Scope } from '../services/scope.ts'
import { Snapshots } from '../services/snapshots.ts'
import { callContext, servedTable } from '../services/testing.ts'
import { TableServices } from './services.ts'

type Handler = (request: Message, context: CallContext) => Promise<Record<string, unknown>>

/** Calls methods of the service with messages in JSON. */
async function serve() {
  const on = await servedTable()
  const handlers = new Map<string, Handler>()
  const snapshots = new Snapshots()
  const services = new TableServices({
    // A listing asks the scope for nothing but the Table.
    scope: on.scope as Scope,
    server: {
      add: (_, methods) => {
        for (const [name, handler] of Object.entries(methods)) handlers.set(name, handler as Handler)
      },
      remove: () => {},
    },
    reflection: { add: () => {}, remove: () => {} },
    searchable: async () => true,
    snapshots,
  })
  services.serve(on.served)
  const proto = services.protoOf('test', 'films')
  assert.ok(proto)
  const method = (name: string) => {
    const found = proto.service.methods.find(({ localName }) => localName === name)
    const handler = handlers.get(name)
    assert.ok(found && handler)
    return { input: found.input, output: found.output, handler }
  }
  return {
    call: async (name: string, request: JsonValue): Promise<JsonValue> => {
      const { input, output, handler }: { input: DescMessage; output: DescMessage; handler: Handler } = method(name)
      const answer = await handler(fromJson(input, request), callContext())
      return toJson(output, create(output, answer))
    },
    put: (ids: readonly string[]) =>
      on.served.table.writer.write(
        ids.map(id => ({ op: 'put' as const, row: { id, year: 1999 } })),
        { principal: 'p', schema: 1, signal: patience() },
      ),
    close: async () => {
      snapshots.close()
      await on.on.close()
    },
  }
}

const at = <T>(value: JsonValue, ...path: (string | number)[]): T =>
  path.reduce<unknown>((inner, step) => Reflect.get(Object(inner), step), value) as T
const idsOf = (answer: JsonValue) => at<{ id: string }[]>(answer, 'rows').map(({ id }) => id)

test('BatchGet answers typed rows in the order of the keys, and tells which are missing', async () => {
  const service = await serve()
  const { revision } = await service.put(['a', 'b'])
  await service.call('list', {})
  const answer = await service.call('batchGet', { keys: [{ id: 'b' }, { id: 'none' }, { id: 'a' }] })
  assert.deepEqual(at(answer, 'results'), [
    { row: { id: 'b', year: 1999 }, revision: String(revision) },
    {},
    { row: { id: 'a', year: 1999 }, revision: String(revision - 1) },
  ])
  for (const keys of [[], Array.from({ length: 1001 }, () => ({ id: 'a' }))]) {
    await assert.rejects(service.call('batchGet', { keys }), error => isBlastyError(error, 'INVALID_ARGUMENT'))
  }
  await service.close()
})

test('List takes prefix and range as typed keys, and pages through them', async () => {
  const service = await serve()
  await service.put(['a', 'ab', 'ab1', 'ab2', 'b', 'c'])
  assert.deepEqual(idsOf(await service.call('list', { startsWith: 'ab' })), ['ab', 'ab1', 'ab2'])
  assert.deepEqual(idsOf(await service.call('list', { prefix: { id: 'ab' } })), ['ab'])
  assert.deepEqual(idsOf(await service.call('list', { from: { id: 'ab2' }, until: { id: 'c' } })), ['ab2', 'b'])
  const first = await service.call('list', { after: { id: 'a' }, pageSize: 3 })
  assert.deepEqual(idsOf(first), ['ab', 'ab1', 'ab2'])
  const pageToken = at<string>(first, 'nextPageToken')
  assert.deepEqual(idsOf(await service.call('list', { pageToken })), ['b', 'c'])
  await assert.rejects(service.call('list', { from: {} }), error => isBlastyError(error, 'INVALID_ROW'))
  await service.close()
})
