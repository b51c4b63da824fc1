/** Messages of a Table's service, field by field. */

import type { ProtoField, ProtoMessage } from './model.ts'
import { defaultJsonName } from './names.ts'

/** The full name of a message of the Table, from what follows its prefix. */
export type Local = (suffix: string) => string
/** A field: its number is its place. */
export type FieldSpec = readonly [name: string, type: string, comment: string, more?: Partial<ProtoField>]

/** A message whose fields are numbered from 1 in their order. */
export function message(
  name: string,
  comment: string,
  specs: readonly FieldSpec[],
  oneofs: ProtoMessage['oneofs'] = [],
) {
  const fields = specs.map(([field, type, text, more], i) => ({
    name: field,
    number: i + 1,
    type,
    jsonName: defaultJsonName(field),
    comment: text,
    ...more,
  }))
  return { name, comment, fields, oneofs }
}

export const minToken: FieldSpec = ['min_token', '.blasty.v1.Token', 'What is read must be at least this new.']
export const token: FieldSpec = ['token', '.blasty.v1.Token', 'The revision served.']
export const repeated = { label: 'repeated' as const }

/** Fields of every request that writes. */
export const writeOptions: readonly FieldSpec[] = [
  ['mutation_id', 'string', 'Makes a retry safe; at most 128 characters.'],
  ['ack_level', '.blasty.v1.AckLevel', 'How far the change must have come before the answer.', { isEnum: true }],
]
/** Fields of every answer to a write. */
export const written: readonly FieldSpec[] = [
  ['revision', 'uint64', 'Revision of the change.'],
  ['token', '.blasty.v1.Token', 'Position of the change.'],
  ['replayed', 'bool', 'True when this mutation_id had been written before.'],
  ['ack_level', '.blasty.v1.AckLevel', 'The level reached.', { isEnum: true }],
]
