/** Does one action of a Table's plan; each is safe to repeat. */

import type { Table } from '../../crds/types.gen.ts'
import { announceSchema, raiseFloor } from '../../engine/log/control.ts'
import { type ChangeLog, changeLog } from '../../engine/log/log.ts'
import { writeSchema } from '../../engine/schema/documents.ts'
import { type Context, StalledError } from '../../operator/mod.ts'
import type { Backends } from '../backends.ts'
import { createStream, updateStream } from '../streams.ts'
import { claimBucket, createBucket, remarkBucket } from './bucket.ts'
import type { TableTarget } from './observe.ts'
import type { TableAction } from './plan.ts'
import type { TrinoAction } from './trino.ts'

export async function actOnTable(
  action: Exclude<TableAction, TrinoAction>,
  table: Table,
  target: TableTarget,
  { objects, streams }: Backends,
  event: Context['event'],
): Promise<void> {
  const { bucket, stream, mark } = target
  const known = table.status?.external
  switch (action.type) {
    case 'CreateBucket':
      await createBucket(objects, bucket, mark)
      if (known !== undefined) remade(event, `bucket ${bucket}`)
      return
    case 'ClaimBucket': {
      if (!(await claimBucket(objects, bucket, mark))) {
        const message = `bucket ${bucket} holds objects and carries no mark of Blasty; it is left alone`
        throw new StalledError('NotMarked', message, { condition: 'BucketReady' })
      }
      return
    }
    case 'AdoptBucket':
      await remarkBucket(objects, bucket, mark)
      return adopted(event, `bucket ${bucket}`, action.from)
    case 'CreateStream':
      await createStream(streams, action.config)
      if (known !== undefined) remade(event, `stream ${stream}`)
      return
    case 'AdoptStream':
      await updateStream(streams, action.seen, action.config)
      return adopted(event, `stream ${stream}`, action.from)
    case 'UpdateStream':
      await updateStream(streams, action.seen, action.config)
      return event({
        type: 'Normal',
        reason: 'Corrected',
        action: 'Update',
        note: `${action.fields.join(', ')} of stream ${stream} set as the spec has it`,
      })
    case 'WriteSchema':
      // Where another schema has the number already, the next look finds it and a new plan is made from it.
      await writeSchema(objects, bucket, action.schema)
      return
    case 'DeclareFloor':
      await raiseFloor(logOf(table, stream, action.epoch, streams), action.revision)
      return
    case 'AnnounceSchemas': {
      const log = logOf(table, stream, action.epoch, streams)
      for (let number = action.after + 1; number <= action.to; number++) await announceSchema(log, number)
    }
  }
}

function logOf({ metadata }: Table, stream: string, epoch: number, streams: Backends['streams']): ChangeLog {
  const { namespace, name, uid } = metadata
  return changeLog({ table: `${namespace}/${name}`, tableUid: uid, stream, epoch }, streams)
}

function remade(event: Context['event'], what: string): void {
  event({
    type: 'Warning',
    reason: 'Remade',
    action: 'Create',
    note: `${what} had vanished without ever being written to`,
  })
}

function adopted(event: Context['event'], what: string, from: string): void {
  event({
    type: 'Normal',
    reason: 'Adopted',
    action: 'Adopt',
    note: `${what} taken over from the earlier Table ${from}`,
  })
}
