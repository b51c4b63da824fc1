/**
 * Functions over values that were measured at times: the straight line through them (least squares), when it reaches a target, and
 * exponential smoothing. NULL, NaN and infinite values or times are left out.
 */

import { type Macro, once } from './macro.ts'

/** The value as a DOUBLE and the time in days since 1970, each NULL unless both can be used. */
const usable = '(isfinite(y::DOUBLE) AND isfinite(t::TIMESTAMPTZ))'
const y = `CASE WHEN ${usable} THEN y::DOUBLE END`
const x = `CASE WHEN ${usable} THEN epoch(t::TIMESTAMPTZ) / 86400 END`

/** NULL where there is no line: fewer than two times. */
const line = `{'slope': regr_slope(${y}, ${x}), 'meanX': regr_avgx(${y}, ${x}), 'meanY': regr_avgy(${y}, ${x}), 'r2': regr_r2(${y}, ${x}),
  'first': min(${x}), 'last': max(${x}), 'n': regr_count(${y}, ${x})}`
const finite = (value: string): string => `CASE WHEN isfinite(${value}) AND f.first < f.last THEN ${value} END`

const trend = once(
  line,
  'f',
  `{'slope': ${finite('f.slope')}, 'intercept': ${finite('f.meanY + f.slope * (f.first - f.meanX)')}, 'r2': ${finite('f.r2')},
    'start': to_timestamp(f.first * 86400), 'n': f.n::BIGINT}`,
)

/** Days since 1970 beyond which a moment is told as never: about the year 9999. */
const lastDay = 2_932_896

/** In the past when the line met the target between first and last time; NULL when it met it before the first: it moves away. */
const reached = once(
  line,
  'f',
  once(
    `CASE WHEN f.first < f.last AND f.slope <> 0 THEN f.meanX + (target::DOUBLE - f.meanY) / f.slope END`,
    'day',
    `CASE WHEN day >= f.first AND day <= ${lastDay} THEN to_timestamp(day * 86400) END`,
  ),
)

/** level(1) = value(1), level(i) = alpha·value(i) + (1 − alpha)·level(i − 1); written as a sum, which takes linear time. */
const smoothed = once(
  `list_filter("values"::DOUBLE[], lambda v: isfinite(v))`,
  's',
  once(
    `CASE WHEN alpha::DOUBLE > 0 AND alpha::DOUBLE <= 1 THEN alpha::DOUBLE ELSE error('exp_smoothing: alpha must be above 0 and at most 1') END`,
    'a',
    `list_sum(list_transform(s, lambda v, i: v * CASE WHEN i = 1 THEN 1 ELSE a END * pow(1 - a, len(s) - i)))`,
  ),
)

/** All of them. The first two are aggregates. */
export const trendFunctions: readonly Macro[] = [
  { name: 'linear_trend', forms: [{ parameters: ['y', 't'], body: trend }] },
  { name: 'time_to_target', forms: [{ parameters: ['y', 't', 'target'], body: reached }] },
  { name: 'exp_smoothing', forms: [{ parameters: ['"values"', 'alpha'], body: smoothed }] },
]
