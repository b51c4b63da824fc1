/** One action out of its JSON. Fields that the protocol adds later are left out, as it wants. */

import { BlastyError } from '../../../base/errors.ts'
import type {
  Action,
  AddFile,
  Cdc,
  CommitInfo,
  DeletionVector,
  Metadata,
  Protocol,
  RemoveFile,
  Txn,
} from './actions.ts'
import { type Fields, optional } from './fields.ts'

/** Undefined when the action is none of those we know. Throws LAKE_CORRUPT and LAKE_UNSUPPORTED. */
export function readAction(line: Fields): Action | undefined {
  for (const [name, read] of readers) {
    const value = line.object(name)
    if (value !== undefined) return read(value)
  }
  return undefined
}

const readers: readonly (readonly [string, (fields: Fields) => Action])[] = [
  ['add', fields => ({ add: readAdd(fields) })],
  ['remove', fields => ({ remove: readRemove(fields) })],
  ['cdc', fields => ({ cdc: readCdc(fields) })],
  ['txn', fields => ({ txn: readTxn(fields) })],
  ['protocol', fields => ({ protocol: readProtocol(fields) })],
  ['metaData', fields => ({ metaData: readMetadata(fields) })],
  ['commitInfo', fields => ({ commitInfo: readCommitInfo(fields) })],
]

const readAdd = (add: Fields): AddFile => ({
  path: add.text('path'),
  partitionValues: add.texts('partitionValues'),
  size: add.integer('size'),
  modificationTime: add.integer('modificationTime'),
  dataChange: add.flag('dataChange'),
  ...optional('stats', add.textOr('stats')),
  ...optional('deletionVector', readVector(add)),
  ...optional('tags', add.textsOr('tags')),
})

const readRemove = (remove: Fields): RemoveFile => ({
  path: remove.text('path'),
  ...optional('deletionTimestamp', remove.integerOr('deletionTimestamp')),
  dataChange: remove.flag('dataChange'),
  ...optional('extendedFileMetadata', remove.flagOr('extendedFileMetadata')),
  ...optional('partitionValues', remove.textsOr('partitionValues')),
  ...optional('size', remove.integerOr('size')),
  ...optional('stats', remove.textOr('stats')),
  ...optional('deletionVector', readVector(remove)),
  ...optional('tags', remove.textsOr('tags')),
})

const readCdc = (cdc: Fields): Cdc => ({
  path: cdc.text('path'),
  partitionValues: cdc.texts('partitionValues'),
  size: cdc.integer('size'),
  dataChange: false,
  ...optional('tags', cdc.textsOr('tags')),
})

const readTxn = (txn: Fields): Txn => ({
  appId: txn.text('appId'),
  version: txn.integer('version'),
  ...optional('lastUpdated', txn.integerOr('lastUpdated')),
})

const readProtocol = (protocol: Fields): Protocol => ({
  minReaderVersion: protocol.integer('minReaderVersion'),
  minWriterVersion: protocol.integer('minWriterVersion'),
  ...optional('readerFeatures', protocol.listOr('readerFeatures')),
  ...optional('writerFeatures', protocol.listOr('writerFeatures')),
})

const readMetadata = (metaData: Fields): Metadata => ({
  id: metaData.text('id'),
  ...optional('name', metaData.textOr('name')),
  ...optional('description', metaData.textOr('description')),
  format: {
    provider: metaData.object('format')?.textOr('provider') ?? 'parquet',
    options: metaData.object('format')?.textsOr('options') ?? {},
  },
  schemaString: metaData.text('schemaString'),
  partitionColumns: metaData.listOr('partitionColumns') ?? [],
  ...optional('createdTime', metaData.integerOr('createdTime')),
  configuration: metaData.texts('configuration'),
})

/** Every engine puts here what it likes, so what is of another kind than ours is left out and never an error. */
const readCommitInfo = (info: Fields): CommitInfo => ({
  ...optional('timestamp', info.integerIfAny('timestamp')),
  ...optional('txnId', info.textIfAny('txnId')),
  ...optional('operation', info.textIfAny('operation')),
  ...optional('engineInfo', info.textIfAny('engineInfo')),
})

function readVector(file: Fields): DeletionVector | undefined {
  const vector = file.object('deletionVector')
  if (vector === undefined) return undefined
  const storageType = vector.text('storageType')
  if (storageType !== 'u') {
    const problem = `a deletion vector of storage type ${storageType}`
    throw new BlastyError('LAKE_UNSUPPORTED', { lake: vector.lake, problem })
  }
  return {
    storageType,
    pathOrInlineDv: vector.text('pathOrInlineDv'),
    offset: vector.integerOr('offset') ?? 0,
    sizeInBytes: vector.integer('sizeInBytes'),
    cardinality: vector.integer('cardinality'),
  }
}
