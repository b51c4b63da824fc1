/** Answers that a service encodes itself, where making a message first would cost too much. */

import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'

/** Bytes in the place of a message. */
export class Encoded {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** To be returned in the place of a message of this kind: the server sends the bytes as they are. */
export const encoded = <Desc extends DescMessage>(_kind: Desc, bytes: Uint8Array): MessageInitShape<Desc> =>
  new Encoded(bytes) as unknown as MessageInitShape<Desc>
