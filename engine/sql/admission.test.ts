import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBlastyError } from '../../base/errors.ts'
import { Admission } from './admission.ts'

const never = new AbortController().signal

test('so many run, so many wait in their order, and the next is refused at once', async () => {
  const admission = new Admission({ running: 2, waiting: 2 })
  const order: string[] = []
  const enter = async (name: string, signal = never) => {
    const leave = await admission.enter(signal)
    order.push(name)
    return leave
  }
  const [a, b] = [await enter('a'), await enter('b')]
  const waiting = [enter('c'), enter('d')]
  await assert.rejects(enter('e'), error => isBlastyError(error, 'QUERY_LIMIT'))
  assert.deepEqual(order, ['a', 'b'])
  a()
  a()
  const c = await waiting[0]
  assert.deepEqual(order, ['a', 'b', 'c'], 'leaving twice lets in one')
  b()
  const d = await waiting[1]
  c?.()
  d?.()
  const again = [await enter('f'), await enter('g')]
  assert.deepEqual(order, ['a', 'b', 'c', 'd', 'f', 'g'])
  for (const leave of again) leave()
})

test('one who gives up waiting makes room and takes no turn', async () => {
  const admission = new Admission({ running: 1, waiting: 1 })
  const leave = await admission.enter(never)
  const stop = new AbortController()
  const given = admission.enter(stop.signal)
  const reason = new Error('the client left')
  stop.abort(reason)
  await assert.rejects(given, reason)
  await assert.rejects(admission.enter(stop.signal), reason)
  const next = admission.enter(never)
  leave()
  const second = await next
  second()
  const third = await admission.enter(never)
  third()
})
