/** The calls on API keys, and those that need none. */
import type { Context } from './context.ts'
import type { Answer, Request, Route } from './http.ts'
import { pageNumber } from './routes-indexes.ts'

/** The version of Meilisearch whose answers this server gives. */
export const VERSION = '1.50.0'

export function keyRoutes({ keys }: Context): Route[] {
  const list = (request: Request): Answer => {
    const offset = pageNumber(request, 'offset', 0)
    const limit = pageNumber(request, 'limit', 20)
    const all = keys.all()
    return { status: 200, body: { results: all.slice(offset, offset + limit), offset, limit, total: all.length } }
  }
  const update = async (request: Request): Promise<Answer> => ({
    status: 200,
    body: keys.update(request.param('key'), await request.json()),
  })
  return [
    { method: 'GET', path: '/keys', action: 'keys.get', handle: list },
    {
      method: 'POST',
      path: '/keys',
      action: 'keys.create',
      handle: async request => ({ status: 201, body: keys.create(await request.json()) }),
    },
    {
      method: 'GET',
      path: '/keys/:key',
      action: 'keys.get',
      handle: request => ({ status: 200, body: keys.get(request.param('key')) }),
    },
    { method: 'PATCH', path: '/keys/:key', action: 'keys.update', handle: update },
    {
      method: 'DELETE',
      path: '/keys/:key',
      action: 'keys.delete',
      handle: request => {
        keys.delete(request.param('key'))
        return { status: 204 }
      },
    },
    { method: 'GET', path: '/health', action: null, handle: () => ({ status: 200, body: { status: 'available' } }) },
    {
      method: 'GET',
      path: '/version',
      action: 'version',
      handle: () => ({ status: 200, body: { commitSha: 'stand-in', commitDate: 'unknown', pkgVersion: VERSION } }),
    },
  ]
}
