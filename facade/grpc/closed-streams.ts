/**
 * Lets go of what a call held once its stream is closed. Behind each stream of node:http2 lies an object of C++, and collections of
 * the youngest garbage take all such objects for reachable. So with the listeners of its stream each call outlived them, with whatever
 * its handler had closed over, and waited for a major collection (docs/decisions/0035-short-stops-of-a-facade.md).
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'

/** Tells of each stream of the process's HTTP/2 servers that is about to be closed (node:diagnostics_channel, "Built-in channels"). */
const closing = 'http2.server.stream.close'
/** A closed stream fails no more; if one did, nobody could do anything about it, but the process would end without a listener. */
const nothing = () => {}

/** From now on, until what it returns is called. */
export function releaseClosedStreams(): () => void {
  const release = (message: unknown) => {
    const stream: unknown = Object(message).stream
    if (!(stream instanceof EventEmitter)) return
    // Behind those who listen for the same.
    stream.once('close', () => setImmediate(() => stream.removeAllListeners().on('error', nothing)))
  }
  subscribe(closing, release)
  return () => unsubscribe(closing, release)
}
