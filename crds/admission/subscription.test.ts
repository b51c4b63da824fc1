/** The rules of Subscription, on a real API server. */
import { complete, minimal } from './examples.ts'
import { describeRules, type RuleCase } from './rule-cases.ts'

const spec = minimal.Subscription
const { dedup, order, aggregate } = complete.Subscription
const count = { as: 'n', function: 'Count' }
const time = '2027-01-01T00:00:00Z'
const webhook = { url: 'https://hooks.example.com/films' }

const start: RuleCase[] = [
  ...['Now', 'Snapshot'].map(from => ({ title: `start from ${from} is accepted`, spec: { ...spec, start: { from } } })),
  { title: 'start from a revision is accepted', spec: { ...spec, start: { from: 'Revision', revision: 0 } } },
  {
    title: 'start from Revision without one is refused',
    spec: { ...spec, start: { from: 'Revision' } },
    refused: ['revision is needed'],
  },
  {
    title: 'start from Now with a revision is refused',
    spec: { ...spec, start: { from: 'Now', revision: 1 } },
    refused: ['revision is needed'],
  },
  {
    title: 'start from Now with a time is refused',
    spec: { ...spec, start: { from: 'Now', time } },
    refused: ['time is needed'],
  },
  {
    title: 'start from Time is refused as not built',
    spec: { ...spec, start: { from: 'Time', time } },
    refused: ['start from Time is not built in this version'],
  },
  { title: 'later: start from Time is accepted', later: true, spec: { ...spec, start: { from: 'Time', time } } },
  {
    title: 'later: start from Time without one is refused',
    later: true,
    spec: { ...spec, start: { from: 'Time' } },
    refused: ['time is needed'],
  },
]

const notBuilt: RuleCase[] = [
  { title: 'dedup is refused as not built', spec: { ...spec, dedup }, refused: ['dedup is not built in this version'] },
  { title: 'order is refused as not built', spec: { ...spec, order }, refused: ['order is not built in this version'] },
  {
    title: 'aggregate is refused as not built',
    spec: { ...spec, aggregate },
    refused: ['aggregate is not built in this version'],
  },
  {
    title: 'deadLetter is refused as not built',
    spec: { ...spec, consumer: { deadLetter: true } },
    refused: ['deadLetter is not built in this version'],
  },
  {
    title: 'a consumer without deadLetter is accepted',
    spec: { ...spec, consumer: { ackWaitSeconds: 1, maxDeliver: 1, deadLetter: false } },
  },
  {
    title: 'delivery to a Webhook is refused as not built',
    spec: { ...spec, delivery: { type: 'Webhook', webhook } },
    refused: ['Webhook is not built in this version'],
  },
  {
    title: 'delivery into a Table is refused as not built',
    spec: { ...spec, delivery: { type: 'Table', table: { name: 'a' } } },
    refused: ['into a Table is not built in this version'],
  },
  { title: 'later: every field together is accepted', later: true, spec: complete.Subscription },
]

const aggregated = (change: object) => ({ ...spec, aggregate: { everySeconds: 60, measures: [count], ...change } })
const laterShapes: RuleCase[] = [
  { title: 'later: a Count without a column is accepted', later: true, spec: aggregated({}) },
  {
    title: 'later: a Count of a column is refused',
    later: true,
    spec: aggregated({ measures: [{ ...count, column: 'a' }] }),
    refused: ['Count takes none'],
  },
  {
    title: 'later: a Sum without a column is refused',
    later: true,
    spec: aggregated({ measures: [{ as: 'n', function: 'Sum' }] }),
    refused: ['every function but Count needs a column'],
  },
  {
    title: 'later: the top of a measure is accepted',
    later: true,
    spec: aggregated({ top: { measure: 'n', limit: 3 } }),
  },
  {
    title: 'later: the top of no measure is refused',
    later: true,
    spec: aggregated({ top: { measure: 'm', limit: 3 } }),
    refused: ['one of the measures'],
  },
  {
    title: 'later: a Webhook without url is refused',
    later: true,
    spec: { ...spec, delivery: { type: 'Webhook' } },
    refused: ['webhook is needed'],
  },
  {
    title: 'a Stream with a webhook is refused',
    spec: { ...spec, delivery: { type: 'Stream', webhook } },
    refused: ['webhook is needed'],
  },
  {
    title: 'a Stream with a table is refused',
    spec: { ...spec, delivery: { type: 'Stream', table: { name: 'a' } } },
    refused: ['table is needed'],
  },
  {
    title: 'later: delivery into a Table is accepted',
    later: true,
    spec: { ...spec, delivery: { type: 'Table', table: { name: 'a' } } },
  },
  {
    title: 'later: a Table without name is refused',
    later: true,
    spec: { ...spec, delivery: { type: 'Table' } },
    refused: ['table is needed'],
  },
  ...['http://hooks.example.com', 'hooks.example.com'].map(url => ({
    title: `later: the webhook ${url} is refused`,
    later: true as const,
    spec: { ...spec, delivery: { type: 'Webhook', webhook: { url } } },
    refused: ['must be an https URL'],
  })),
]

const where = "genre = 'Drama'"
const immutable = (field: string, before: unknown, after: unknown, later?: true): RuleCase[] =>
  [
    { title: `${field} may not change`, before: { ...spec, [field]: before }, spec: { ...spec, [field]: after } },
    { title: `${field} may not be put in later`, before: spec, spec: { ...spec, [field]: after } },
    { title: `${field} may not be taken out`, before: { ...spec, [field]: before }, spec },
  ].map(it => ({ ...it, refused: [`${field} is immutable`], ...(later && { later, title: `later: ${it.title}` }) }))

const updates: RuleCase[] = [
  ...immutable('where', where, 'true'),
  ...immutable('start', { from: 'Snapshot' }, { from: 'Revision', revision: 3 }),
  ...immutable('dedup', dedup, { ...dedup, windowSeconds: 1 }, true),
  ...immutable('order', order, { ...order, idleSeconds: 1 }, true),
  ...immutable('aggregate', aggregate, { everySeconds: 60, measures: [count] }, true),
  {
    title: 'tableRef may not change',
    before: spec,
    spec: { tableRef: { name: 'other' } },
    refused: ['tableRef is immutable'],
  },
  {
    title: 'later: delivery.type may not change',
    later: true,
    before: spec,
    spec: { ...spec, delivery: { type: 'Webhook', webhook } },
    refused: ['delivery.type is immutable'],
  },
  {
    title: 'later: the url of a webhook may change',
    later: true,
    before: { ...spec, delivery: { type: 'Webhook', webhook } },
    spec: { ...spec, delivery: { type: 'Webhook', webhook: { url: 'https://b.example.com/' } } },
  },
  {
    title: 'the consumer may change',
    before: spec,
    spec: { ...spec, consumer: { ackWaitSeconds: 60, maxDeliver: 3 } },
  },
]

describeRules('Subscription', [
  { title: 'the least there is to say is accepted', spec },
  { title: 'a long name is refused', spec, name: 'a'.repeat(41), refused: ['such as new-blockbusters'] },
  { title: 'an unknown field is refused', spec: { ...spec, filter: 'a' }, refused: ['unknown field "spec.filter"'] },
  ...start,
  ...notBuilt,
  ...laterShapes,
  ...updates,
])
