/** Every macro of ours, in the instances that queries run in. */

import { boundedFunctions } from './bounded-functions.ts'
import { lineFunctions } from './line-functions.ts'
import { createMacro } from './macro.ts'
import { trendFunctions } from './trend-functions.ts'

/** Statements to run once on an instance, before it is locked. They may be run again, also over those of another version. */
export const createMacros: string = [...boundedFunctions, ...lineFunctions, ...trendFunctions]
  .map(createMacro)
  .join('; ')
