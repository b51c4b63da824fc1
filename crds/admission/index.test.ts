/** The rules of Index, on a real API server. */
import { complete, minimal } from './examples.ts'
import { describeRules } from './rule-cases.ts'

const spec = minimal.Index
const tableRef = { name: 'films' }

describeRules('Index', [
  { title: 'every field together is accepted', spec: complete.Index },
  { title: 'a long name is refused', spec, name: 'a'.repeat(41), refused: ['such as film-search'] },
  { title: 'only filterable columns are accepted', spec: { tableRef, filterable: ['place'] } },
  { title: 'only sortable columns are accepted', spec: { tableRef, sortable: ['place'] } },
  { title: 'no column at all is refused', spec: { tableRef }, refused: ['needs at least one column'] },
  ...['searchable', 'filterable', 'sortable'].map(list => ({
    title: `a column twice in ${list} is refused`,
    spec: { ...spec, [list]: ['a', 'a'] },
    refused: [`${list} names a column twice`],
  })),
  {
    title: 'one column in all three lists is accepted',
    spec: { tableRef, searchable: ['a'], filterable: ['a'], sortable: ['a'] },
  },
  {
    title: 'a ranking rule twice is refused',
    spec: { ...spec, ranking: ['Words', 'Words'] },
    refused: ['ranking names a rule twice'],
  },
  {
    title: 'an empty word with synonyms is refused',
    spec: { ...spec, synonyms: { '': ['a'] } },
    refused: ['1 to 100 characters'],
  },
  { title: 'a word of 100 characters may have synonyms', spec: { ...spec, synonyms: { ['a'.repeat(100)]: ['b'] } } },
  {
    title: 'a word of 101 characters with synonyms is refused',
    spec: { ...spec, synonyms: { ['a'.repeat(101)]: ['b'] } },
    refused: ['1 to 100 characters'],
  },
  { title: 'equal typo lengths are accepted', spec: { ...spec, typoTolerance: { oneTypoMinCharacters: 9 } } },
  {
    title: 'two typos in shorter words than one are refused',
    spec: { ...spec, typoTolerance: { oneTypoMinCharacters: 10 } },
    refused: ['cannot exceed twoTyposMinCharacters'],
  },
  {
    title: 'tableRef may not change',
    before: spec,
    spec: { ...spec, tableRef: { name: 'other' } },
    refused: ['tableRef is immutable'],
  },
  { title: 'columns and settings may change', before: spec, spec: complete.Index },
  { title: 'an unknown field is refused', spec: { ...spec, colour: 'red' }, refused: ['unknown field "spec.colour"'] },
])
