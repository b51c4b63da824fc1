/** Tokens on the command line: what a write printed, given to a read that must be as new. */

import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { Option } from 'commander'
import { type Token, TokenSchema } from '../../proto/gen/blasty/v1/common_pb.js'
import { UsageError } from './failure.ts'

/** The option of commands that read. */
export const minTokenOption = () => new Option('--min-token <token>', 'read at least as new as this token of a write')

export function tokenText(token: Token | undefined): string {
  return token === undefined ? '' : Buffer.from(toBinary(TokenSchema, token)).toString('base64url')
}

/** The field of a request. Throws UsageError for what is no token. */
export function minTokenOf(text: string | undefined): { readonly minToken?: Token } {
  return text === undefined ? {} : { minToken: tokenOf(text, '--min-token') }
}

/** The token that an option was given. Throws UsageError for what is none. */
export function tokenOf(text: string, option: string): Token {
  try {
    return fromBinary(TokenSchema, Buffer.from(text, 'base64url'))
  } catch (cause) {
    throw new UsageError(`${option} ${text} is no token`, { cause })
  }
}
