/** Erasing rows for a caller, and telling how far the stores are with forgetting them. */

import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import { BlastyError } from '../../base/errors.ts'
import { demandErasing } from '../../engine/erase/demand.ts'
import { type ErasureProof, keyHash, newProof, readProof, type StoreProof } from '../../engine/erase/proof.ts'
import { erasureId, maxEraseKeys, pendingErasures } from '../../engine/log/erasures.ts'
import { parsed } from '../../engine/schema/parsed.ts'
import type { Table } from '../../engine/table.ts'
import type { GetErasureRequest } from '../../proto/gen/blasty/v1/catalog_service_pb.js'
import type { EraseRequest } from '../../proto/gen/blasty/v1/mutation_service_pb.js'
import type { CallContext } from '../grpc/context.ts'
import type { Scope } from './scope.ts'
import { tokenOf } from './token.ts'
import { inTime, writeLimit } from './write.ts'

type Reach = Pick<Scope, 'table'>

/** @throws UNSUPPORTED without a primary key; MUTATION_ID_REUSED; the errors of the log's writer; INVALID_ARGUMENT */
export async function eraseRows(
  scope: Reach,
  { table: ref, keysJson, erasureId: id }: EraseRequest,
  context: CallContext,
) {
  const { table } = scope.table(context.identity, ref, 'table', 'Erase')
  const keys = keysOf(table, keysJson)
  checkId(id)
  // What is done is in the log no more, but for the marker that a purge takes too.
  const done = await readProof(table.lake, id)
  if (done !== undefined) return again(table, done, keys)
  await table.beforeWrite()
  using limit = writeLimit(table, context)
  const { signal } = limit
  const options = { principal: context.identity.user, schema: table.schemas.current.number, signal }
  const { revision, replayed } = await inTime(limit, table.writer.erase(id, keys, options))
  demandErasing(table, revision)
  return { token: tokenOf(table, revision), erasureId: id, replayed }
}

/** @throws ERASURE_NOT_FOUND */
export async function getErasure(scope: Reach, { table: ref, erasureId: id }: GetErasureRequest, context: CallContext) {
  const { table } = scope.table(context.identity, ref, 'table', 'Erase')
  checkId(id)
  const proof = (await readProof(table.lake, id)) ?? (await justAsked(table, id))
  if (proof === undefined) throw new BlastyError('ERASURE_NOT_FOUND', { id, table: table.log.table })
  const { revision, requestedTime, completedTime, keys, stores } = proof
  return {
    erasureId: id,
    revision: BigInt(revision),
    requestedTime: timestampOf(requestedTime),
    ...(completedTime !== undefined && { completedTime: timestampOf(completedTime) }),
    keyHashes: [...keys],
    stores: Object.entries(stores).map(([name, said]) => ({ name, ...storeMessage(said) })),
  }
}

/** One that no worker has begun with. */
async function justAsked({ log }: Table, id: string): Promise<ErasureProof | undefined> {
  const found = (await pendingErasures(log)).find(pending => pending.id === id)
  return found && newProof(found, log.epoch)
}

function again(table: Table, proof: ErasureProof, keys: readonly Parameters<Table['schemas']['encodeKey']>[0][]) {
  const hashes = keys.map(key => keyHash(proof.id, table.schemas.encodeKey(key)))
  if (JSON.stringify(hashes) !== JSON.stringify(proof.keys))
    throw new BlastyError('MUTATION_ID_REUSED', { id: proof.id })
  return { token: tokenOf(table, proof.revision), erasureId: proof.id, replayed: true }
}

function keysOf({ keyed, schemas }: Table, texts: readonly string[]) {
  if (!keyed) {
    throw new BlastyError('UNSUPPORTED', {
      what: 'erasing rows of a Table without a primary key',
      instead: 'copy what is to stay into another Table and delete this one',
    })
  }
  const invalid = (field: string, problem: string) => new BlastyError('INVALID_ARGUMENT', { field, problem })
  if (texts.length === 0 || texts.length > maxEraseKeys) throw invalid('keys_json', `must be 1 to ${maxEraseKeys} keys`)
  const seen = new Set<string>()
  return texts.map((text, index) => {
    const place = `keys_json[${index}]`
    const key = schemas.codec.key(parsed(text, place), place)
    const encoded = schemas.encodeKey(key).toString('latin1')
    if (seen.has(encoded)) throw invalid(place, 'is the same key as one before')
    seen.add(encoded)
    return key
  })
}

function checkId(id: string): void {
  if (erasureId.test(id)) return
  const problem = 'must be 1 to 64 letters, digits, - and _'
  throw new BlastyError('INVALID_ARGUMENT', { field: 'erasure_id', problem })
}

function storeMessage(said: StoreProof) {
  if (said.state === 'Waiting') {
    return { done: false, reason: said.reason, ...(said.until !== undefined && { until: timestampOf(said.until) }) }
  }
  return { done: true, looked: said.looked, removed: BigInt(said.removed), time: timestampOf(said.time) }
}

const timestampOf = (text: string) => timestampFromDate(new Date(text))
