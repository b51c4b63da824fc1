/** Two facades and two workers: what one acknowledges the other shows, and when one dies the other goes on. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Roles, type RunningRole, startRoles } from '../../devstack/roles.ts'
import { AckLevel } from '../../proto/gen/blasty/v1/common_pb.js'
import { type Client, openClient } from './client.ts'
import { ledgerResources } from './ledger.ts'
import { type Load, startLoad } from './load.ts'
import { openScene, type Scene } from './scene.ts'
import { away, eventually, type Setting } from './setting.ts'

export function describeInTwos(opened: () => Setting): void {
  describe('two facades and two workers', () => {
    let setting: Setting
    let others: Roles
    let scene: Scene
    let here: Client
    let there: Client
    let load: Load
    before(async () => {
      setting = opened()
      others = await startRoles({ stack: setting.info, roles: ['facade', 'worker'] })
      scene = await openScene(setting)
      await scene.apply(...ledgerResources)
      await Promise.all(['table/ledger', 'index/ledger', 'subscription/ledger'].map(it => scene.wait(it)))
      here = await scene.owner('ledger', 'later')
      there = openClient(others.grpc, here)
      load = await startLoad(here, there, there)
    })
    after(async () => {
      there?.connection.close()
      await scene?.[Symbol.asyncDispose]()
      await others?.stop()
    })

    it('what one facade acknowledges is read and watched at the other', () => load.goesOn(50))

    it('a Table that is Ready is served by both', async () => {
      const [table] = ledgerResources
      assert.ok(table)
      await scene.apply({ ...table, name: 'later' })
      await scene.wait('table/later')
      const { token } = await there.table('later').put([{ id: 'first', n: 1 }])
      assert.equal((await here.table('later').get({ id: 'first' }, token)).row.n, 1)
    })

    const workers: readonly [string, () => RunningRole][] = [
      ['first', () => setting.roles.of('worker')],
      ['second', () => others.of('worker')],
    ]
    for (const [which, worker] of workers) {
      it(`the ${which} worker is killed: the other indexes, archives and delivers all`, async () => {
        await away(worker(), async () => {
          const row = { id: `without-${which}`, n: -1 }
          // Whoever takes over waits out the lease of the dead one and what it may have under way; until then the level is not reached.
          for (const ackLevel of [AckLevel.SEARCHABLE, AckLevel.ARCHIVED]) {
            const reached = async () => (await here.table('ledger').put([row], { ackLevel })).ackLevel === ackLevel
            await eventually(`a write is ${AckLevel[ackLevel]}`, reached, 90)
          }
          await here.table('ledger').remove([{ id: row.id }])
          await load.goesOn()
        })
      })
    }

    it('the facade of the readers is killed: writers at the other go on, and readers find it all later', async () => {
      await away(others.of('facade'), () => load.goesOn())
      await load.goesOn()
    })

    it('and everything that was acknowledged is there, once, wherever one looks', async () => {
      await load.stop()
      await load.check()
    })
  })
}
