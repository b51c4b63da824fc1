/** The calls on tasks: list, get, cancel, delete. */
import type { Context } from './context.ts'
import { ApiError, type Code } from './errors.ts'
import type { Answer, Request, Route } from './http.ts'
import type { Task } from './tasks.ts'

const statuses = ['enqueued', 'processing', 'succeeded', 'failed', 'canceled']
const types = [
  'documentAdditionOrUpdate',
  'documentEdition',
  'documentDeletion',
  'settingsUpdate',
  'indexCreation',
  'indexDeletion',
  'indexUpdate',
  'indexSwap',
  'taskCancelation',
  'taskDeletion',
  'dumpCreation',
  'snapshotCreation',
]

/** ISO 8601 duration between two times. */
function duration({ startedAt, finishedAt }: Task): string | null {
  if (startedAt === null || finishedAt === null) return null
  return `PT${((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000).toFixed(3)}S`
}

const shown = (task: Task): unknown => ({
  uid: task.uid,
  batchUid: task.batchUid,
  indexUid: task.indexUid,
  status: task.status,
  type: task.type,
  canceledBy: task.canceledBy,
  details: task.details,
  error: task.error,
  duration: duration(task),
  enqueuedAt: task.enqueuedAt,
  startedAt: task.startedAt,
  finishedAt: task.finishedAt,
})

/** A swap belongs to both its indexes, although it names none. */
const swapOf = `type = 'indexSwap' and exists (
  select 1 from json_each(details, '$.swaps') as swap, json_each(swap.value, '$.indexes') as uid where uid.value`

type Condition = { where: string; values: (number | string)[]; given: boolean }

const listed = (request: Request, name: string): string[] | undefined => {
  const text = request.query.get(name)
  return text === null || text === '*' ? undefined : text.split(',').map(part => part.trim())
}

/** The tasks that the query parameters and the caller's key choose. */
function chosen(context: Context, request: Request): Condition {
  const parts: string[] = []
  const values: (number | string)[] = []
  const among = (column: string, given: readonly (number | string)[]): void => {
    parts.push(`${column} in (${given.map(() => '?').join(', ')})`)
    values.push(...given)
  }
  const checked = (name: string, allowed: readonly string[], code: Code): string[] | undefined => {
    const list = listed(request, name)
    const bad = list?.find(one => !allowed.includes(one))
    if (bad === undefined) return list
    const available = allowed.map(one => `\`${one}\``).join(', ')
    throw new ApiError(
      code,
      `Invalid value in parameter \`${name}\`: \`${bad}\` is not valid. Available values are ${available}.`,
    )
  }
  const uids = listed(request, 'uids')
  if (uids)
    among(
      'uid',
      uids.map(text => wholeNumber('uids', text, 'invalid_task_uids')),
    )
  const batches = listed(request, 'batchUids')
  if (batches)
    among(
      'batch',
      batches.map(text => wholeNumber('batchUids', text, 'invalid_task_uids')),
    )
  const wantedStatuses = checked('statuses', statuses, 'invalid_task_statuses')
  if (wantedStatuses) statusCondition(context, wantedStatuses, parts, values)
  const wantedTypes = checked('types', types, 'invalid_task_types')
  if (wantedTypes) among('type', wantedTypes)
  const indexUids = listed(request, 'indexUids')
  if (indexUids) {
    const marks = indexUids.map(() => '?').join(', ')
    parts.push(`(index_uid in (${marks}) or (${swapOf} in (${marks}))))`)
    values.push(...indexUids, ...indexUids)
  }
  const canceledBy = listed(request, 'canceledBy')
  if (canceledBy)
    among(
      'canceled_by',
      canceledBy.map(text => wholeNumber('canceledBy', text, 'invalid_task_uids')),
    )
  for (const [name, column] of Object.entries({ Enqueued: 'enqueued', Started: 'started', Finished: 'finished' })) {
    for (const [side, sign] of Object.entries({ before: '<', after: '>' })) {
      const time = request.query.get(`${side}${name}At`)
      if (time === null || time === '*') continue
      parts.push(`${column} ${sign} ?`)
      values.push(new Date(time).toISOString())
    }
  }
  const given =
    parts.length > 0 || ['uids', 'statuses', 'types', 'indexUids'].some(name => request.query.get(name) === '*')
  if (!request.caller.indexes.includes('*')) {
    const mine = context.indexes.all().flatMap(({ record }) => (request.caller.mayUse(record.uid) ? [record.uid] : []))
    among('index_uid', mine)
  }
  return { where: parts.length === 0 ? '1' : parts.join(' and '), values, given }
}

/** What is being executed is still `enqueued` on the disk. */
function statusCondition(
  context: Context,
  wanted: readonly string[],
  parts: string[],
  values: (number | string)[],
): void {
  const running = [...context.queue.processing].join(', ')
  const any = wanted.map(status => {
    if (status === 'processing') return `(status = 'enqueued' and uid in (${running}))`
    values.push(status)
    return status === 'enqueued' ? `(status = ? and uid not in (${running}))` : 'status = ?'
  })
  parts.push(`(${any.join(' or ')})`)
}

function wholeNumber(name: string, text: string, code: Code): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new ApiError(code, `Invalid value in parameter \`${name}\`: could not parse \`${text}\` as a positive integer`)
}

export function taskRoutes(context: Context): Route[] {
  const { queue } = context
  const list = (request: Request): Answer => {
    const { where, values } = chosen(context, request)
    const limit = wholeNumber('limit', request.query.get('limit') ?? '20', 'invalid_task_limit')
    const reverse = request.query.get('reverse') === 'true'
    const from = request.query.get('from')
    const start = from === null ? '1' : `uid ${reverse ? '>=' : '<='} ${wholeNumber('from', from, 'invalid_task_from')}`
    const found = queue.list(`${where} and ${start}`, values, reverse, limit + 1)
    // As in Meilisearch: swaps count, and take a place on the page, but an index's tasks are shown without them.
    const visible = request.query.has('indexUids') ? found.filter(task => task.indexUid !== null) : found
    const next = visible[limit]?.uid ?? null
    const results = visible.slice(0, limit)
    const total = queue.count(where, values)
    return { status: 200, body: { results: results.map(shown), total, limit, from: results[0]?.uid ?? null, next } }
  }
  const get = (request: Request): Answer => {
    const uid = wholeNumber('taskUid', request.param('uid'), 'invalid_task_uids')
    const task = queue.get(uid)
    if (!task || (task.indexUid !== null && !request.caller.mayUse(task.indexUid))) {
      throw new ApiError('task_not_found', `Task \`${uid}\` not found.`)
    }
    return { status: 200, body: shown(task) }
  }
  const change =
    (type: 'taskCancelation' | 'taskDeletion') =>
    (request: Request): Promise<Answer> => {
      const { where, values, given } = chosen(context, request)
      if (!given) {
        const verb = type === 'taskCancelation' ? 'cancel' : 'delete'
        throw new ApiError(
          'missing_task_filters',
          `Query parameters to filter the tasks to ${verb} are missing. Available query parameters are: \`uids\`, \`indexUids\`, \`statuses\`, \`types\`, \`canceledBy\`, \`beforeEnqueuedAt\`, \`afterEnqueuedAt\`, \`beforeStartedAt\`, \`afterStartedAt\`, \`beforeFinishedAt\`, \`afterFinishedAt\`.`,
        )
      }
      const uids = queue.list(where, values, true, 100_000).map(task => task.uid)
      const done = type === 'taskCancelation' ? 'canceledTasks' : 'deletedTasks'
      const details = { matchedTasks: uids.length, [done]: 0, originalFilter: `?${request.query}` }
      return context.enqueue(type, null, details, {
        do: type === 'taskCancelation' ? 'cancelTasks' : 'deleteTasks',
        uids,
      })
    }
  return [
    { method: 'GET', path: '/tasks', action: 'tasks.get', handle: list },
    { method: 'GET', path: '/tasks/:uid', action: 'tasks.get', handle: get },
    { method: 'POST', path: '/tasks/cancel', action: 'tasks.cancel', handle: change('taskCancelation') },
    { method: 'DELETE', path: '/tasks', action: 'tasks.delete', handle: change('taskDeletion') },
  ]
}
