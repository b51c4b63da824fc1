/** Places on the sphere. */

export type Place = { readonly lat: number; readonly lon: number }

/** Mean radius of the Earth in metres (IUGG). */
const earthRadius = 6_371_008.8

/** Half the way round the Earth: no two places are farther apart, in metres. */
export const farthest = Math.ceil(Math.PI * earthRadius)

/** Great-circle distance in metres, by the haversine formula. */
export function distanceMeters(a: Place, b: Place): number {
  const radians = Math.PI / 180
  const dLat = (b.lat - a.lat) * radians
  const dLon = (b.lon - a.lon) * radians
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * Math.sin(dLon / 2) ** 2
  return 2 * earthRadius * Math.asin(Math.min(1, Math.sqrt(h)))
}
