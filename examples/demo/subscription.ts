/** The durable Subscription `blockbusters`: every event is delivered, acknowledged, and seen once. */
import { ReadableStream, type ReadableStreamDefaultController } from 'node:stream/web'
import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  type ConsumeRequestSchema,
  type Delivery,
  EventKind,
  SubscriptionService,
} from '../../proto/gen/blasty/v1/subscription_service_pb.js'
import { readFilms } from '../data/films.ts'
import { callAs } from './client.ts'
import { thousands } from './story.ts'
import { namespace, type World } from './world.ts'

const subscription = { namespace, name: 'blockbusters' }
const blockbusterGross = 100_000_000
const credit = 100
const timeoutMs = 60_000

type Request = MessageInitShape<typeof ConsumeRequestSchema>

/**
 * Consumes all events there are: those of the films imported, and those of the film that a watch saw come and go. Throws
 * when one is missing or comes twice.
 */
export async function consumeBlockbusters(world: World): Promise<void> {
  const { story } = world
  const imported = (await readFilms()).filter(({ us_gross }) => Number(us_gross) >= blockbusterGross).length
  const expected = { ENTER: imported + 1, UPDATE: 1, LEAVE: 1 }
  const total = imported + 3
  const { done, refused } = await consume(world, total)

  const counts = { ENTER: 0, UPDATE: 0, LEAVE: 0 }
  for (const { event } of done.values()) {
    if (event?.kind === EventKind.ENTER) counts.ENTER += 1
    if (event?.kind === EventKind.UPDATE) counts.UPDATE += 1
    if (event?.kind === EventKind.LEAVE) counts.LEAVE += 1
  }
  story.table(
    ['event', 'acknowledged', 'expected'],
    [
      ['ENTER', counts.ENTER, expected.ENTER],
      ['UPDATE', counts.UPDATE, expected.UPDATE],
      ['LEAVE', counts.LEAVE, expected.LEAVE],
    ],
  )
  const titles = [...done.values()].slice(0, 3).map(({ event }) => JSON.parse(event?.newRowJson ?? '{}').title)
  story.say(`in the order of the log: ${titles.join(', ')} and ${thousands(done.size - titles.length)} more`)
  const again = done.get(refused)?.attempt
  story.say(`event ${refused} was refused once and came again: attempt ${again}`)
  if (again !== 2) throw new Error('the event refused did not come again')
  if (JSON.stringify(counts) !== JSON.stringify(expected)) throw new Error('the events are not those of the films')
}

/** Takes `total` events, refusing the first of them once. Throws when one comes again that was acknowledged. */
async function consume(
  world: World,
  total: number,
): Promise<{ readonly done: ReadonlyMap<bigint, Delivery>; readonly refused: bigint }> {
  using web = await callAs(world, 'web')
  const done = new Map<bigint, Delivery>()
  let refused: bigint | undefined
  const { requests, send, end } = outgoing()
  send({ message: { case: 'open', value: { subscription, credit } } })
  const consuming = web.service(SubscriptionService).consume(requests, { signal: world.signal, timeoutMs })
  for await (const { message } of consuming) {
    if (message.case !== 'delivery') continue
    const { sequence } = message.value
    if (done.has(sequence)) throw new Error(`event ${sequence} came again after it was acknowledged`)
    if (refused === undefined) {
      refused = sequence
      send({ message: { case: 'nack', value: { sequences: [sequence] } } })
    } else {
      done.set(sequence, message.value)
      send({ message: { case: 'ack', value: { sequences: [sequence] } } })
    }
    // The server takes what was sent, then ends the call.
    if (done.size === total) end()
    else send({ message: { case: 'credit', value: { deliveries: 1 } } })
  }
  return { done, refused: refused ?? 0n }
}

/** Requests that are sent as they come; a delivery calls for two at most, so credit bounds them. */
function outgoing() {
  let controller: ReadableStreamDefaultController<Request> | undefined
  const requests = new ReadableStream<Request>({
    start: given => {
      controller = given
    },
  })
  return {
    requests,
    send: (request: Request): void => controller?.enqueue(request),
    end: (): void => controller?.close(),
  }
}
