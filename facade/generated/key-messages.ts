/** Messages of what only a Table with a primary key serves: reading by key, listing, deleting. */

import { type Local, message, minToken, repeated, token, writeOptions, written } from './messages.ts'
import type { ProtoField, ProtoMessage } from './model.ts'

/** The messages of Get, BatchGet, List and Delete. */
export function keyMessages(prefix: string, keyFields: readonly ProtoField[], local: Local): ProtoMessage[] {
  return [...keyedMessages(prefix, keyFields, local), ...listMessages(prefix, keyFields, local)]
}

function keyedMessages(prefix: string, keyFields: readonly ProtoField[], local: Local): ProtoMessage[] {
  const service = `${prefix}Service`
  return [
    { name: `${prefix}Key`, comment: 'The primary key of a row.', fields: keyFields },
    message(`${service}GetRequest`, 'One key.', [['key', local('Key'), 'The key.'], minToken]),
    message(`${service}GetResponse`, 'One row.', [
      ['row', local('Row'), 'The row.'],
      ['revision', 'uint64', 'Revision of its last change.'],
      token,
    ]),
    message(`${service}BatchGetRequest`, 'Some keys.', [
      ['keys', local('Key'), '1 to 1,000 keys.', repeated],
      minToken,
    ]),
    message(`${service}BatchGetResponse`, 'Some rows.', [
      ['results', local('BatchGetResult'), 'One result a key, in the order asked for.', repeated],
      token,
    ]),
    message(
      `${service}DeleteRequest`,
      'One key to delete.',
      [
        ['key', local('Key'), 'The key.'],
        ['if_revision', 'uint64', 'The last change of the row must have this revision.', { oneof: 'condition' }],
        ...writeOptions,
      ],
      [{ name: 'condition', comment: 'What must hold of the row before.' }],
    ),
    message(`${service}DeleteResponse`, 'A row deleted.', written),
  ]
}

function listMessages(prefix: string, keyFields: readonly ProtoField[], local: Local): ProtoMessage[] {
  const service = `${prefix}Service`
  const optional = keyFields.map(
    (field): ProtoField => (field.type.startsWith('.') ? field : { ...field, label: 'optional' }),
  )
  const start = { oneof: 'start' }
  return [
    {
      name: `${prefix}KeyPrefix`,
      comment: 'The first columns of the primary key, one or more, or all: every key that begins with these values.',
      fields: optional,
    },
    message(
      `${service}ListRequest`,
      'A page of a listing. The range may be left out beside a page token, or be the same as on the first page.',
      [
        ['page_size', 'uint32', 'Rows a page, 1 to 1,000; 0 = 100.'],
        ['page_token', 'string', 'The next_page_token of the page before.'],
        minToken,
        ['prefix', local('KeyPrefix'), 'Only keys that begin with these values.'],
        [
          'starts_with',
          'string',
          'Only keys whose next column after those of prefix, a String, begins with this text.',
        ],
        ['from', local('KeyPrefix'), 'From this key on.', start],
        ['after', local('KeyPrefix'), 'Behind this key.', start],
        ['until', local('KeyPrefix'), 'Up to this key, without it.'],
      ],
      [{ name: 'start', comment: 'Where the range begins.' }],
    ),
    message(`${service}ListResponse`, 'A page of rows.', [
      ['rows', local('Row'), 'Rows in the order of the key.', repeated],
      ['revisions', 'uint64', 'Revision of the last change of each row.', repeated],
      ['next_page_token', 'string', 'Asks for the next page; empty on the last.'],
      token,
    ]),
    message(`${prefix}BatchGetResult`, 'The row of one key.', [
      ['row', local('Row'), 'Unset when there is no such row.'],
      ['revision', 'uint64', 'Revision of its last change; 0 when there is no such row.'],
    ]),
  ]
}
