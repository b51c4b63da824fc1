import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serviceName } from './service-name.ts'

test('the service of a Table is named after it', () => {
  const cases = [
    ['cinema', 'films', 'blasty.tables.cinema.v1.FilmsService'],
    ['my-team', 'film-reviews', 'blasty.tables.my_team.v1.FilmReviewsService'],
    ['7up', 'a-1', 'blasty.tables._7up.v1.A_1Service'],
    ['cinema', 'a1', 'blasty.tables.cinema.v1.A1Service'],
  ] as const
  for (const [namespace, table, name] of cases) assert.equal(serviceName(namespace, table), name)
})
