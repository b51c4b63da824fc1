/** The rules of Table, on a real API server. */
import { describeRules } from './rule-cases.ts'
import { tableCases } from './table-cases.ts'
import { tableUpdateCases } from './table-update-cases.ts'

describeRules('Table', [...tableCases, ...tableUpdateCases])
