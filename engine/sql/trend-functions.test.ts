/** The functions over time against plain computations of the same. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc, { runs } from '../../test/random.ts'
import { lockdownStatements } from './lockdown.ts'
import { createMacros } from './macros.ts'

let connection: DuckDBConnection

before(async () => {
  connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()
  for (const statement of [createMacros, ...lockdownStatements]) await connection.run(statement)
})
after(() => connection.closeSync())

type Point = readonly [day: number, value: number]
type Trend = {
  readonly slope: number | null
  readonly intercept: number | null
  readonly r2: number | null
  readonly n: string
}

const start = Date.UTC(2026, 0, 1)
const momentOf = (day: number) => new Date(start + day * 86_400_000).toISOString()

async function over(points: readonly (readonly [string, string])[], expression: string): Promise<unknown> {
  const rows = points.length === 0 ? [['NULL', 'NULL']] : points
  const values = rows.map(([t, y]) => `(${t}, ${y})`).join(', ')
  const reader = await connection.runAndReadAll(
    `SELECT ${expression} FROM (VALUES ${values}) v(t, y) ${points.length === 0 ? 'WHERE false' : ''}`,
  )
  return reader.getRowsJson()[0]?.[0]
}
const sqlOf = (points: readonly Point[]) =>
  points.map(([day, value]) => [`TIMESTAMPTZ '${momentOf(day)}'`, `${value}::DOUBLE`] as const)
const trendOf = async (points: readonly Point[]) => (await over(sqlOf(points), 'linear_trend(y, t)')) as Trend
const targetOf = async (points: readonly Point[], target: number) =>
  over(sqlOf(points), `epoch_ms(time_to_target(y, t, ${target}))`)

/** Least squares by the sums of the textbook, around the means. */
function fitted(points: readonly Point[]) {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const meanX = mean(points.map(([x]) => x))
  const meanY = mean(points.map(([, y]) => y))
  const sum = (of: (x: number, y: number) => number) =>
    points.reduce((total, [x, y]) => total + of(x - meanX, y - meanY), 0)
  const slope = sum((x, y) => x * y) / sum(x => x * x)
  const first = Math.min(...points.map(([x]) => x))
  const last = Math.max(...points.map(([x]) => x))
  const r2 = sum((x, y) => x * y) ** 2 / (sum(x => x * x) * sum((_, y) => y * y))
  return {
    slope,
    atFirst: meanY + slope * (first - meanX),
    r2,
    first,
    last,
    meetsAt: (target: number) => meanX + (target - meanY) / slope,
  }
}
const close = (actual: number | null, expected: number, what: string) => {
  assert.ok(
    actual !== null && Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected)),
    `${what}: ${actual} instead of ${expected}`,
  )
}

const points = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: -1000, max: 1000 })), {
    selector: ([day]) => day,
    minLength: 3,
    maxLength: 30,
  })
  .filter(list => new Set(list.map(([, value]) => value)).size > 1)

test('the trend is the line of least squares', async () => {
  await fc.assert(
    fc.asyncProperty(points, async list => {
      const trend = await trendOf(list)
      const { slope, atFirst, r2 } = fitted(list)
      close(trend.slope, slope, 'slope')
      close(trend.intercept, atFirst, 'intercept')
      close(trend.r2, r2, 'r2')
      assert.equal(Number(trend.n), list.length)
    }),
    { numRuns: runs(60) },
  )
})

test('the target is reached where the line meets it, and never when it met it before the first value', async () => {
  await fc.assert(
    fc.asyncProperty(points, fc.integer({ min: -2000, max: 2000 }), async (list, target) => {
      const { slope, first, meetsAt } = fitted(list)
      const day = meetsAt(target)
      const reached = await targetOf(list, target)
      // Where rounding decides, either is right.
      if (Math.abs(slope) < 1e-6 || Math.abs(day - first) < 1e-3) return
      if (day < first || day > 2_900_000 - 20_454) assert.ok(reached === null || day > 2_900_000 - 20_454, `${reached}`)
      else close((Number(reached) - start) / 86_400_000, day, 'day')
    }),
    { numRuns: runs(60) },
  )
})

test('a goal: 80 kg on the first, half a kilo less each week, 75 kg wanted', async () => {
  const weight: Point[] = [0, 1, 2, 3, 4].map(week => [week * 7, 80 - week / 2])
  const trend = await trendOf(weight)
  close(trend.slope, -0.5 / 7, 'slope a day')
  close(trend.intercept, 80, 'intercept')
  close(trend.r2, 1, 'r2')
  assert.equal(await targetOf(weight, 75), String(start + 70 * 86_400_000))
  assert.equal(await targetOf(weight, 79), String(start + 14 * 86_400_000), 'reached in the third week')
  assert.equal(await targetOf(weight, 81), null, 'it moves away')
})

test('too few values, equal times and a level line have no trend or no target', async () => {
  const none = { slope: null, intercept: null, r2: null }
  for (const [list, n] of [
    [[], 0],
    [[[0, 5]], 1],
    [
      [
        [3, 5],
        [3, 7],
        [3, 9],
      ],
      3,
    ],
  ] as const) {
    const { start: _, ...trend } = (await trendOf(list)) as Trend & { start: unknown }
    assert.deepEqual(trend, { ...none, n: String(n) })
    assert.equal(await targetOf(list, 7), null)
  }
  const level: Point[] = [
    [0, 5],
    [1, 5],
    [2, 5],
  ]
  assert.equal((await trendOf(level)).slope, 0)
  assert.equal(await targetOf(level, 5), null)
  assert.equal(
    await targetOf(
      [
        [0, 0],
        [1, 1e-9],
      ],
      1e9,
    ),
    null,
    'in more years than a date has',
  )
})

test('NULL, NaN and infinite values and times are left out; dates and whole numbers will do', async () => {
  const moment = (day: number) => `TIMESTAMPTZ '${momentOf(day)}'`
  const rows = [
    [moment(0), '1'],
    [moment(1), '2'],
    [moment(2), 'NULL'],
    ['NULL', '5'],
    [moment(3), "'NaN'::DOUBLE"],
    [moment(4), "'-Infinity'::DOUBLE"],
    ["'infinity'::TIMESTAMPTZ", '9'],
  ] as const
  const trend = (await over(rows, 'linear_trend(y, t)')) as Trend
  close(trend.slope, 1, 'slope')
  assert.equal(trend.n, '2')
  const dates = [
    ["DATE '2026-01-01'", '1::BIGINT'],
    ["DATE '2026-01-03'", '2::BIGINT'],
  ] as const
  close(((await over(dates, 'linear_trend(y, t)')) as Trend).slope, 0.5, 'slope of dates')
  assert.equal(await over(dates, 'time_to_target(y, t, 3)'), '2026-01-05 00:00:00+00')
})

test('groups have trends of their own', async () => {
  const reader = await connection.runAndReadAll(`
    SELECT g, linear_trend(g * i, DATE '2026-01-01' + i::INTEGER).slope FROM range(1, 4) a(g), range(5) b(i) GROUP BY g ORDER BY g`)
  const slopes = reader.getRowsJson().map(([g, slope]) => [Number(g), Number(slope)])
  for (const [g = 0, slope = 0] of slopes) close(slope, g, `group ${g}`)
  assert.equal(slopes.length, 3)
})

const smoothed = (values: readonly number[], alpha: number) => {
  let level = values[0] ?? Number.NaN
  for (const value of values.slice(1)) level = alpha * value + (1 - alpha) * level
  return level
}

test('exponential smoothing is its recurrence', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 50 }),
      fc.integer({ min: 1, max: 100 }),
      async (values, percent) => {
        const reader = await connection.runAndReadAll(`SELECT exp_smoothing([${values}], ${percent / 100})`)
        close(Number(reader.getRowsJson()[0]?.[0]), smoothed(values, percent / 100), 'level')
      },
    ),
    { numRuns: runs(60) },
  )
})

test('smoothing row by row, and of nothing, one value, NULL and NaN', async () => {
  const reader = await connection.runAndReadAll(`
    SELECT exp_smoothing(list(v) OVER (ORDER BY v), 0.5) FROM range(4) r(v) ORDER BY v`)
  assert.deepEqual(reader.getRowsJson().flat(), [0, 0.5, 1.25, 2.125])
  const one = async (list: string, alpha = '0.5') =>
    (await connection.runAndReadAll(`SELECT exp_smoothing(${list}, ${alpha})`)).getRowsJson()[0]?.[0]
  assert.equal(await one('[]'), null)
  assert.equal(await one('NULL::DOUBLE[]'), null)
  assert.equal(await one('[7]'), 7)
  assert.equal(await one("[1, NULL, 3, 'NaN'::DOUBLE, 'Infinity'::DOUBLE]", '1'), 3)
  assert.equal(await one('[NULL, NULL]::DOUBLE[]'), null)
  for (const alpha of ['0', '-1', '1.5', "'NaN'::DOUBLE"])
    await assert.rejects(one('[1]', alpha), /alpha must be above 0/)
  assert.ok(Number.isFinite(Number(await one('list_transform(range(100000), x -> x::DOUBLE)', '0.3'))))
})
