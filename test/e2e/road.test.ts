/** The main job from end to end, on one stack: kubectl, gRPC, everything that reads, and everything that is refused. */
import { after, before } from 'node:test'
import { describeBadInput } from './bad-input.ts'
import { describeBlobs } from './blobs.ts'
import { describeCli } from './cli.ts'
import { describeGenerated } from './generated.ts'
import { describeLake } from './lake.ts'
import { describeLimits } from './limits.ts'
import { describeReads } from './reads.ts'
import { openSetting, type Setting } from './setting.ts'
import { describeWrites } from './writes.ts'

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
describeLake(opened)
describeGenerated(opened)
describeLimits(opened)
describeBlobs(opened)
describeBadInput(opened)
describeCli(opened)
