import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Table } from '../../crds/types.gen.ts'
import { type Engine, engineOf, isLarge } from './engine.ts'
import type { TrinoSeen } from './trino.ts'

/** What the functions look at; a whole Table says nothing more about it. */
const tableOf = (engine: 'Auto' | Engine, now?: Engine): Table =>
  ({ spec: { query: { engine } }, status: { query: now === undefined ? {} : { engine: now } } }) as unknown as Table

const budget = 1000
const sizes: readonly (readonly [
  bytes: number,
  budget: number | undefined,
  now: Engine | undefined,
  large: boolean,
])[] = [
  [0, budget, undefined, false],
  [budget, budget, undefined, false],
  [budget + 1, budget, undefined, true],
  [budget, budget, 'Trino', true],
  [budget / 2 + 1, budget, 'Trino', true],
  [budget / 2 + 1, budget, 'Embedded', false],
  [budget / 2, budget, 'Trino', false],
  [Number.MAX_SAFE_INTEGER, budget, 'Embedded', true],
  [1, 0, undefined, true],
  [0, 0, 'Trino', false],
  [5000, undefined, 'Embedded', false],
  [5, undefined, 'Trino', true],
]
for (const [bytes, said, now, large] of sizes) {
  test(`a lake of ${bytes} bytes, facades that take ${said ?? 'nobody says how many'}, now ${now ?? 'new'}: ${large ? 'large' : 'small'}`, () => {
    assert.equal(isLarge(tableOf('Auto', now), bytes, said), large)
    for (const engine of ['Embedded', 'Trino'] as const) assert.equal(isLarge(tableOf(engine, now), bytes, said), false)
  })
}

test('a size that goes up and down by less than half changes the engine once', () => {
  const seen: TrinoSeen = { kind: 'known', location: 'here' }
  let now: Engine = 'Embedded'
  let changes = 0
  for (const bytes of [900, 1001, 990, 1010, 600, 1500, 501, 999]) {
    const table = tableOf('Auto', now)
    const next = engineOf(table, isLarge(table, bytes, budget), seen, 'here')
    if (next !== now) changes++
    now = next
  }
  assert.deepEqual([now, changes], ['Trino', 1])
})

const engines: readonly (readonly [title: string, Table, large: boolean, TrinoSeen | undefined, Engine])[] = [
  ['Embedded is Embedded', tableOf('Embedded'), false, undefined, 'Embedded'],
  ['Trino is Trino, known or not', tableOf('Trino'), false, { kind: 'noTrino' }, 'Trino'],
  ['a small one', tableOf('Auto'), false, { kind: 'known', location: 'here' }, 'Embedded'],
  ['a large one that Trino knows', tableOf('Auto'), true, { kind: 'known', location: 'here' }, 'Trino'],
  [
    'a large one of which Trino is yet to be told',
    tableOf('Auto'),
    true,
    { kind: 'known', location: undefined },
    'Embedded',
  ],
  ['a large one whose name is another’s', tableOf('Auto'), true, { kind: 'known', location: 'there' }, 'Embedded'],
  ['a large one in a class without Trino', tableOf('Auto', 'Trino'), true, { kind: 'noTrino' }, 'Embedded'],
  [
    'a large one that is there while Trino is away',
    tableOf('Auto', 'Trino'),
    true,
    { kind: 'failed', problem: '' },
    'Trino',
  ],
  [
    'a large one that is not there while Trino is away',
    tableOf('Auto'),
    true,
    { kind: 'failed', problem: '' },
    'Embedded',
  ],
]
for (const [title, table, large, seen, engine] of engines) {
  test(`the engine that status tells: ${title}`, () => assert.equal(engineOf(table, large, seen, 'here'), engine))
}
