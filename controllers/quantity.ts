/** Kubernetes quantities, as far as bytes need them. */

const suffixes: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/**
 * Bytes of a quantity such as `10Gi`, `1.5G` or `1e9`, rounded up as the API does. Throws a RangeError for what is none
 * (the API server's schema lets none through).
 */
export function bytesOf(quantity: number | string): number {
  const match = /^\+?(\d+(?:\.\d*)?|\.\d+)(?:([eE][+-]?\d+)|([kMGTPE]i?|Ki))?$/.exec(String(quantity))
  const bytes = Math.ceil(Number(`${match?.[1]}${match?.[2] ?? ''}`) * (suffixes[match?.[3] ?? ''] ?? Number.NaN))
  if (!Number.isSafeInteger(bytes)) throw new RangeError(`${quantity} is not a quantity of bytes`)
  return bytes
}
