/** What a write asks of a row before it changes it. */

import { BlastyError } from '../../base/errors.ts'
import type { Condition } from '../../engine/log/writer.ts'

/** The `condition` of a request, of the generic and of the generated messages. */
export type ConditionField =
  | { readonly case: 'ifAbsent'; readonly value: boolean }
  | { readonly case: 'ifRevision'; readonly value: bigint }
  | { readonly case: undefined; readonly value?: undefined }

/** Reads a condition. `prefix` stands before the field's name in errors, such as `mutations[2].`. */
export function conditionOf(condition: ConditionField | undefined, prefix: string): Condition | undefined {
  switch (condition?.case) {
    case 'ifAbsent':
      if (condition.value) return { kind: 'absent' }
      throw new BlastyError('INVALID_ARGUMENT', { field: `${prefix}if_absent`, problem: 'only true is allowed' })
    case 'ifRevision': {
      const revision = Number(condition.value)
      if (Number.isSafeInteger(revision) && revision > 0) return { kind: 'revision', revision }
      throw new BlastyError('INVALID_ARGUMENT', {
        field: `${prefix}if_revision`,
        problem: 'must be the revision of a row',
      })
    }
    default:
      return undefined
  }
}

/** For what only a keyed Table can do. */
export function appendOnly(field: string): BlastyError {
  return new BlastyError('INVALID_ARGUMENT', {
    field,
    problem: 'the table has no primary key: rows can only be appended',
  })
}
