/** The rules of BackendClass, on a real API server. */
import { complete, minimal } from './examples.ts'
import { describeRules, type RuleCase } from './rule-cases.ts'

// A controller that nobody is: the operator of the same cluster leaves these classes alone.
const spec = { ...minimal.BackendClass, controllerName: 'test.blasty.dev/none' }
const { webhookHosts, adoptions } = complete.BackendClass

const urls: RuleCase[] = [
  ...['http://minio', 'https://minio.storage:9000', 'http://10.0.0.1:9000/', 'http://[::1]:9000'].map(endpoint => ({
    title: `the object store ${endpoint} is accepted`,
    spec: { ...spec, objectStore: { endpoint } },
  })),
  ...['minio:9000', 'ftp://minio', 'http://', 'http://minio/path', 'http://user:secret@minio', 'http://minio?a=b'].map(
    endpoint => ({
      title: `the object store ${endpoint} is refused`,
      spec: { ...spec, objectStore: { endpoint } },
      refused: ['endpoint must be an http or https URL'],
    }),
  ),
  ...['nats://nats', 'tls://nats.messaging:4222'].map(server => ({
    title: `the NATS server ${server} is accepted`,
    spec: { ...spec, streams: { servers: [server] } },
  })),
  ...['nats:4222', 'http://nats', 'nats://a:b@nats'].map(server => ({
    title: `the NATS server ${server} is refused`,
    spec: { ...spec, streams: { servers: [server] } },
    refused: ['a server must be a nats or tls URL'],
  })),
  {
    title: 'a search host with a path is refused',
    spec: { ...spec, search: { hosts: ['http://a/b'] } },
    refused: ['a host must be an http or https URL'],
  },
  ...['http://trino.sql:8080', 'https://trino'].map(server => ({
    title: `Trino at ${server} is accepted`,
    spec: { ...spec, trino: { server, catalog: 'lake' } },
  })),
  ...['trino:8080', 'http://a:b@trino', 'http://trino/ui'].map(server => ({
    title: `Trino at ${server} is refused`,
    spec: { ...spec, trino: { server, catalog: 'lake' } },
    refused: ['server must be an http or https URL'],
  })),
  ...['a-b', 'Lake', 'a"b', 'a.b'].map(catalog => ({
    title: `the catalog ${catalog} is refused`,
    spec: { ...spec, trino: { server: 'http://trino', catalog } },
    refused: ['catalog must be lower-case letters'],
  })),
  {
    title: 'Trino without a catalog is refused',
    spec: { ...spec, trino: { server: 'http://trino' } },
    refused: ['Required value'],
  },
  {
    title: 'the same server twice is refused',
    spec: { ...spec, streams: { servers: ['nats://a', 'nats://a'] } },
    refused: ['Duplicate value'],
  },
]

const labels = (matchLabels: unknown) => ({ ...spec, allowedNamespaces: { matchLabels } })
const settings: RuleCase[] = [
  ...[1, 3, 5].map(replicas => ({
    title: `${replicas} replicas are accepted`,
    spec: { ...spec, streams: { ...spec.streams, replicas } },
  })),
  {
    title: '2 replicas are refused',
    spec: { ...spec, streams: { ...spec.streams, replicas: 2 } },
    refused: ['replicas must be 1, 3 or 5'],
  },
  { title: 'labels of namespaces are accepted', spec: labels({ blasty: 'yes', 'example.com/team': '' }) },
  { title: 'a key that is no label key is refused', spec: labels({ 'a b': 'c' }), refused: ['must be a label key'] },
  {
    title: 'a value that is no label value is refused',
    spec: labels({ a: 'b c' }),
    refused: ['must be a label value'],
  },
  { title: 'no label at all is refused', spec: labels({}), refused: ['should have at least 1 properties'] },
  { title: 'limits are accepted', spec: { ...spec, limits: { tableLogBytes: '50Gi', tablesPerNamespace: 1 } } },
  ...['1Ki', '2Pi', 'much', 5].map(tableLogBytes => ({
    title: `the limit ${tableLogBytes} is refused`,
    spec: { ...spec, limits: { tableLogBytes } },
    refused: ['tableLogBytes must be a quantity of bytes'],
  })),
  ...['Prod', '1a', 'a--b', 'a_b', 'a-'].map(installationID => ({
    title: `the installation ${installationID} is refused`,
    spec: { ...spec, installationID },
    refused: ['installationID must be lower-case letters'],
  })),
  { title: 'an installation of words is accepted', spec: { ...spec, installationID: 'prod-eu-1' } },
  ...['main', 'Blasty.dev/main', 'blasty.dev/', 'blasty.dev/a b'].map(controllerName => ({
    title: `the controller ${controllerName} is refused`,
    spec: { ...spec, controllerName },
    refused: ['controllerName must be a domain, a slash and a path'],
  })),
]

const notBuilt: RuleCase[] = [
  {
    title: 'webhookHosts is refused as not built',
    spec: { ...spec, webhookHosts },
    refused: ['webhookHosts is not built in this version'],
  },
  { title: 'adoptions are accepted', spec: { ...spec, adoptions } },
  {
    title: 'two search hosts are refused as not built',
    spec: { ...spec, search: { hosts: ['http://a', 'http://b'] } },
    refused: ['more than one search host is not built in this version'],
  },
  { title: 'later: every field together is accepted', later: true, spec: complete.BackendClass },
  {
    title: 'later: two search hosts are accepted',
    later: true,
    spec: { ...spec, search: { hosts: ['http://a', 'http://b'] } },
  },
]

const updates: RuleCase[] = [
  {
    title: 'installationID may not change',
    before: spec,
    spec: { ...spec, installationID: 'other' },
    refused: ['installationID is immutable'],
  },
  {
    title: 'controllerName may not change',
    before: spec,
    spec: { ...spec, controllerName: 'a.dev/b' },
    refused: ['controllerName is immutable'],
  },
  {
    title: 'addresses, credentials and limits may change',
    before: spec,
    spec: { ...spec, objectStore: { endpoint: 'https://other' }, limits: { tablesPerNamespace: 9 } },
  },
]

describeRules('BackendClass', [
  { title: 'the least there is to say is accepted', spec: minimal.BackendClass },
  { title: 'a long name is refused', spec, name: 'a'.repeat(41), refused: ['such as standard'] },
  { title: 'an unknown field is refused', spec: { ...spec, colour: 'red' }, refused: ['unknown field "spec.colour"'] },
  ...urls,
  ...settings,
  ...notBuilt,
  ...updates,
])
