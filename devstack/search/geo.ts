/** Points on the earth: distances, and which documents lie in a circle, a box or a polygon. */
import { ApiError } from './errors.ts'
import { type Doc, isObject, type Json } from './json.ts'

export type Point = { lat: number; lng: number }

const EARTH_RADIUS_METRES = 6_371_000
const radians = (degrees: number): number => (degrees * Math.PI) / 180

/** Great-circle distance in metres (haversine). */
export function distanceMetres(a: Point, b: Point): number {
  const dLat = radians(b.lat - a.lat)
  const dLng = radians(b.lng - a.lng)
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(radians(a.lat)) * Math.cos(radians(b.lat)) * Math.sin(dLng / 2) ** 2
  return 2 * EARTH_RADIUS_METRES * Math.asin(Math.min(1, Math.sqrt(h)))
}

/** `topRight` and `bottomLeft` as in `_geoBoundingBox`; a box may cross the 180th meridian. */
export function inBox(point: Point, topRight: Point, bottomLeft: Point): boolean {
  if (point.lat > topRight.lat || point.lat < bottomLeft.lat) return false
  return bottomLeft.lng <= topRight.lng
    ? point.lng >= bottomLeft.lng && point.lng <= topRight.lng
    : point.lng >= bottomLeft.lng || point.lng <= topRight.lng
}

/** Even-odd rule on the plane of latitude and longitude. */
export function inPolygon(point: Point, corners: readonly Point[]): boolean {
  let inside = false
  let before = corners.at(-1)
  for (const corner of corners) {
    if (before && corner.lat > point.lat !== before.lat > point.lat) {
      const crossing = ((before.lng - corner.lng) * (point.lat - corner.lat)) / (before.lat - corner.lat) + corner.lng
      if (point.lng < crossing) inside = !inside
    }
    before = corner
  }
  return inside
}

const coordinate = (value: Json | undefined, limit: number): number | undefined => {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && Math.abs(number) <= limit ? number : undefined
}

/** The `_geo` of a document; undefined when it has none; throws when it is not a point. */
export function pointOf(doc: Doc, key: string): Point | undefined {
  const geo = doc._geo
  if (geo === undefined || geo === null) return undefined
  const lat = isObject(geo) ? coordinate(geo.lat, 90) : undefined
  const lng = isObject(geo) ? coordinate(geo.lng, Number.MAX_VALUE) : undefined
  if (lat === undefined || lng === undefined) {
    throw new ApiError(
      'invalid_document_geo_field',
      `The \`_geo\` field in the document with the id: \`"${key}"\` is not a valid point, got \`${JSON.stringify(geo)}\`.`,
    )
  }
  return { lat, lng }
}

/** The points of an index, by document. */
export class GeoColumn {
  readonly #points = new Map<number, Point>()

  set(doc: number, point: Point): void {
    this.#points.set(doc, point)
  }

  remove(doc: number): void {
    this.#points.delete(doc)
  }

  get(doc: number): Point | undefined {
    return this.#points.get(doc)
  }

  /** Marks in `out` the documents whose point passes the test. */
  select(test: (point: Point) => boolean, out: Uint8Array): void {
    for (const [doc, point] of this.#points) if (test(point)) out[doc] = 1
  }
}
