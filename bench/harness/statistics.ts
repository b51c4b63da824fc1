/** Medians and percentiles, always over every sample. */

/** The middle value, or the mean of the two in the middle. Throws RangeError without values. */
export function median(values: ArrayLike<number>): number {
  const sorted = ascending(values)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  if (upper === undefined) throw new RangeError('no values to take the median of')
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

/**
 * The smallest sample that at least `share` of all samples do not exceed (nearest rank).
 * @param share 0 to 1, such as 0.99
 * @throws RangeError without samples, or for a share out of range
 */
export function percentile(samples: ArrayLike<number>, share: number): number {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`${share} is no share`)
  const sorted = ascending(samples)
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  if (value === undefined) throw new RangeError('no samples to take a percentile of')
  return value
}

/** The median of `of(i) / to(i)` over rounds: what a machine that slows down in the middle disturbs least. */
export function medianRatio(of: readonly number[], to: readonly number[]): number {
  if (of.length !== to.length) throw new RangeError(`${of.length} rounds against ${to.length}`)
  return median(of.map((value, round) => value / (to[round] ?? Number.NaN)))
}

/** Three significant digits, and whole numbers above a thousand: what a figure is good for. */
export function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3))
}

function ascending(values: ArrayLike<number>): Float64Array {
  const sorted = Float64Array.from(values)
  if (sorted.some(Number.isNaN)) throw new RangeError('a sample is not a number')
  return sorted.sort()
}
