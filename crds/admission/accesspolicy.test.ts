/** The rules of AccessPolicy, on a real API server. */
import { complete, minimal } from './examples.ts'
import { describeRules } from './rule-cases.ts'

const spec = minimal.AccessPolicy
const [rule] = spec.rules
const subject = (value: object) => ({ ...spec, subjects: [value] })
const claim = { kind: 'Claim', claim: 'tenant', values: ['acme'] }

describeRules('AccessPolicy', [
  { title: 'a ServiceAccount that may get is accepted', spec },
  { title: 'a long name is refused', spec, name: 'a'.repeat(41), refused: ['such as web-readers'] },
  { title: 'a Group of an OIDC issuer is accepted', spec: subject({ kind: 'Group', name: 'oidc:analysts' }) },
  { title: 'a User is accepted', spec: subject({ kind: 'User', name: 'system:serviceaccount:other:web' }) },
  { title: 'a User without a name is refused', spec: subject({ kind: 'User' }), refused: ['name is needed'] },
  {
    title: 'a User with a claim is refused',
    spec: subject({ kind: 'User', name: 'a', claim: 'b' }),
    refused: ['claim is needed'],
  },
  {
    title: 'a User with values is refused',
    spec: subject({ kind: 'User', name: 'a', values: ['b'] }),
    refused: ['values is needed'],
  },
  {
    title: 'a ServiceAccount of another namespace is refused with the way to name it',
    spec: subject({ kind: 'ServiceAccount', name: 'other:web' }),
    refused: ['use kind User and system:serviceaccount:NAMESPACE:NAME'],
  },
  {
    title: 'a Claim is refused as not built',
    spec: subject(claim),
    refused: ['kind Claim is not built in this version'],
  },
  { title: 'later: a Claim is accepted', later: true, spec: subject(claim) },
  {
    title: 'later: a Claim without claim is refused',
    later: true,
    spec: subject({ kind: 'Claim', values: ['a'] }),
    refused: ['claim is needed'],
  },
  {
    title: 'later: a Claim without values is refused',
    later: true,
    spec: subject({ kind: 'Claim', claim: 'a' }),
    refused: ['values is needed'],
  },
  {
    title: 'later: a Claim with a name is refused',
    later: true,
    spec: subject({ ...claim, name: 'a' }),
    refused: ['not allowed with Claim'],
  },
  {
    title: 'where and columns are accepted for what reads by key and by SQL',
    spec: { ...spec, rules: [{ ...rule, actions: ['Get', 'List', 'Query'], where: 'id = 1', columns: ['id'] }] },
  },
  {
    title: 'where is refused as not built for other actions',
    spec: { ...spec, rules: [{ ...rule, actions: ['Get', 'Put'], where: 'true' }] },
    refused: ['to limit other actions is not built in this version'],
  },
  {
    title: 'check is refused as not built',
    spec: { ...spec, rules: [{ ...rule, check: 'true' }] },
    refused: ['check is not built in this version'],
  },
  {
    title: 'columns is refused as not built for other actions',
    spec: { ...spec, rules: [{ ...rule, actions: ['Search'], columns: ['id'] }] },
    refused: ['to limit other actions is not built in this version'],
  },
  { title: 'later: every field together is accepted', later: true, spec: complete.AccessPolicy },
  { title: 'an expiry is accepted', spec: { ...spec, expiresAt: '2027-01-01T00:00:00Z' } },
  {
    title: 'an expiry that is no time is refused',
    spec: { ...spec, expiresAt: 'tomorrow' },
    refused: ['must be of type date-time'],
  },
  {
    title: 'an action twice is refused',
    spec: { ...spec, rules: [{ ...rule, actions: ['Get', 'Get'] }] },
    refused: ['Duplicate value: "Get"'],
  },
  {
    title: 'everything may change',
    before: spec,
    spec: { subjects: [{ kind: 'User', name: 'a' }], rules: [{ tables: { names: ['b'] }, actions: ['Put'] }] },
  },
  {
    title: 'an unknown field is refused',
    spec: { ...spec, rules: [{ ...rule, verbs: ['Get'] }] },
    refused: ['unknown field "spec.rules[0].verbs"'],
  },
])
