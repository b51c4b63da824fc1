import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type AirportLine, airportOf, readAirports } from './airports.ts'

const pierre: AirportLine = {
  iata: 'PIR',
  name: 'Pierre Regional ',
  city: 'Pierre',
  state: 'SD',
  country: 'USA',
  latitude: '44.38',
  longitude: '-100.28',
}

describe('an airport of the file', () => {
  it('becomes a row with its place', () => {
    const { latitude, longitude, ...same } = pierre
    assert.deepEqual(airportOf(pierre), { ...same, name: 'Pierre Regional', place: { lat: 44.38, lon: -100.28 } })
  })

  it('has no city where the file says NA', () => {
    assert.equal(airportOf({ ...pierre, city: 'NA', state: 'NA' }).city, null)
  })

  it('must lie on the globe', () => {
    assert.throws(() => airportOf({ ...pierre, latitude: 'x' }), /airport PIR lies at x, -100.28/)
    assert.throws(() => airportOf({ ...pierre, longitude: '181' }), /airport PIR/)
  })
})

it('every airport of the file becomes a row, names with commas and quotes whole', async () => {
  const airports = await readAirports()
  assert.equal(airports.length, 3376)
  const byCode = new Map(airports.map(airport => [airport.iata, airport]))
  assert.equal(byCode.size, 3376)
  assert.equal(byCode.get('BTR')?.name, 'Baton Rouge Metropolitan, Ryan')
  assert.equal(byCode.get('DBN')?.name, 'W. H. "Bud" Barron')
  assert.deepEqual(byCode.get('ROR')?.city, null)
})
