/** The main job from end to end, on one stack: kubectl, gRPC, and everything that reads. */
import { after, before } from 'node:test'
import { describeReads } from './reads.ts'
import { describeWrites } from './writes.ts'
import { openSetting, type Setting } from './setting.ts'

let setting: Setting | undefined
const opened = (): Setting => {
  if (setting === undefined) throw new Error('the stack has not started')
  return setting
}

before(async () => {
  setting = await openSetting()
})
after(() => setting?.[Symbol.asyncDispose]())

describeReads(opened)
describeWrites(opened)
