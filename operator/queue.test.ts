import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WorkQueue } from './queue.ts'
import { FakeClock, settle } from './testing/fake-clock.ts'

const setup = (
  options: { backoff?: { baseMs: number; maxMs: number }; retries?: { perSecond: number; burst: number } } = {},
) => {
  const clock = new FakeClock()
  return { clock, queue: new WorkQueue<string>({ clock, random: () => 1, ...options }) }
}

/** Takes and finishes whatever is ready now. */
async function drain(queue: WorkQueue<string>): Promise<(string | undefined)[]> {
  const taken: (string | undefined)[] = []
  while (queue.depth > 0) {
    const key = await queue.take()
    taken.push(key)
    if (key !== undefined) queue.done(key)
  }
  return taken
}

describe('the work queue', () => {
  it('holds a key once, however often it is added', async () => {
    const { queue } = setup()
    for (let n = 0; n < 5; n++) queue.add('a/x')
    queue.add('a/x', 'background')
    assert.equal(queue.depth, 1)
    assert.deepEqual(await drain(queue), ['a/x'])
  })

  it('never gives the same key to two workers, and runs it once more when it was added meanwhile', async () => {
    const { queue } = setup()
    queue.add('a/x')
    assert.equal(await queue.take(), 'a/x')
    queue.add('a/x')
    queue.add('a/x')
    let second: string | undefined
    const waiting = queue.take().then(key => {
      second = key
    })
    await settle()
    assert.equal(second, undefined)
    assert.equal(queue.depth, 0)
    queue.done('a/x')
    await waiting
    assert.equal(second, 'a/x')
    queue.done('a/x')
    assert.equal(queue.depth, 0)
  })

  it('wakes one waiting worker for each key', async () => {
    const { queue } = setup()
    const workers = [queue.take(), queue.take(), queue.take()]
    queue.add('a/x')
    queue.add('a/y')
    assert.deepEqual(await Promise.all(workers.slice(0, 2)), ['a/x', 'a/y'])
    queue.add('a/z')
    assert.equal(await workers[2], 'a/z')
  })

  it('lets namespaces take turns', async () => {
    const { queue } = setup()
    for (const key of ['big/1', 'big/2', 'big/3', 'small/1', 'tiny/1']) queue.add(key)
    assert.deepEqual(await drain(queue), ['big/1', 'small/1', 'tiny/1', 'big/2', 'big/3'])
  })

  it('serves events before periodic looks, and these at least every fourth time', async () => {
    const { queue } = setup()
    for (const key of ['n/b1', 'n/b2']) queue.add(key, 'background')
    for (const key of ['n/e1', 'n/e2', 'n/e3', 'n/e4', 'n/e5']) queue.add(key)
    assert.deepEqual(await drain(queue), ['n/e1', 'n/e2', 'n/e3', 'n/b1', 'n/e4', 'n/e5', 'n/b2'])
  })

  it('moves a key that waits in the background to the front when an event comes', async () => {
    const { queue } = setup()
    queue.add('n/b', 'background')
    queue.add('n/e')
    queue.add('n/b')
    assert.equal(queue.depth, 2)
    assert.deepEqual(await drain(queue), ['n/e', 'n/b'])
  })

  it('adds a delayed key at its time, the earliest of several', async () => {
    const { clock, queue } = setup()
    queue.addAfter('a/x', 1000)
    queue.addAfter('a/x', 300)
    queue.addAfter('a/x', 2000)
    await clock.advance(299)
    assert.equal(queue.depth, 0)
    await clock.advance(1)
    assert.deepEqual(await drain(queue), ['a/x'])
    assert.equal(clock.timers, 0)
  })

  it('forgets the delay of a key that runs before', async () => {
    const { clock, queue } = setup()
    queue.addAfter('a/x', 1000)
    queue.add('a/x')
    assert.equal(queue.delayed, 0)
    await drain(queue)
    await clock.advance(5000)
    assert.equal(queue.depth, 0)
  })

  it('doubles the wait of a failing key up to the limit, and begins anew after a success', () => {
    const { queue } = setup({ backoff: { baseMs: 100, maxMs: 500 } })
    const waits = [1, 2, 3, 4, 5].map(() => queue.retry('a/x'))
    assert.deepEqual(waits, [100, 200, 400, 500, 500])
    queue.forget('a/x')
    assert.equal(queue.retry('a/x'), 100)
    assert.equal(queue.retry('a/y', 3000), 3000)
  })

  it('spreads the retries of many keys that fail at once', () => {
    const { queue } = setup({ backoff: { baseMs: 10, maxMs: 10 }, retries: { perSecond: 10, burst: 2 } })
    const waits = ['a', 'b', 'c', 'd'].map(key => queue.retry(key))
    assert.deepEqual(waits, [10, 10, 100, 200])
  })

  it('when closed, waits for what is under way, drops the rest and lets the workers go', async () => {
    const { clock, queue } = setup()
    queue.add('a/x')
    assert.equal(await queue.take(), 'a/x')
    const idle = queue.take()
    queue.addAfter('a/z', 10)
    let closed = false
    const closing = queue.close().then(() => {
      closed = true
    })
    assert.equal(await idle, undefined)
    queue.add('a/x')
    await clock.advance(100)
    assert.equal(closed, false)
    queue.done('a/x')
    await closing
    assert.equal(await queue.take(), undefined)
  })
})
