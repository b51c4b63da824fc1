/** What may go wrong, on one stack: servers and roles die under load, and what Blasty made vanishes behind its back. */
import { after, before } from 'node:test'
import { describeInTwos } from './in-twos.ts'
import { openSetting, type Setting } from './setting.ts'
import { describeUnderLoad } from './under-load.ts'
import { describeVanished } from './vanished.ts'

let setting: Setting | undefined
const opened = (): Setting => {
  if (setting === undefined) throw new Error('the stack has not started')
  return setting
}

before(async () => {
  setting = await openSetting()
})
after(() => setting?.[Symbol.asyncDispose]())

describeUnderLoad(opened)
describeInTwos(opened)
describeVanished(opened)
