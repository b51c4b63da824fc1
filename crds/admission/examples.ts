/** Specs that the admission tests start from. */

/** The least that a spec of each kind must say. */
export const minimal = {
  BackendClass: {
    installationID: 'test',
    objectStore: { endpoint: 'http://minio.storage:9000' },
    streams: { servers: ['nats://nats.messaging:4222'] },
    search: { hosts: ['http://meilisearch.search:7700'] },
    credentials: {
      operator: { secretRef: { name: 'blasty-operator' } },
      worker: { secretRef: { name: 'blasty-worker' } },
      facade: { secretRef: { name: 'blasty-facade' } },
    },
  },
  Table: { columns: [{ name: 'title', type: 'String' }] },
  Index: { tableRef: { name: 'films' }, searchable: ['title'] },
  Subscription: { tableRef: { name: 'films' } },
  AccessPolicy: {
    subjects: [{ kind: 'ServiceAccount', name: 'web' }],
    rules: [{ tables: { names: ['films'] }, actions: ['Get'] }],
  },
}

/** Every field of every spec, what is not built yet included. */
export const complete = {
  BackendClass: {
    ...minimal.BackendClass,
    controllerName: 'test.blasty.dev/none',
    objectStore: { endpoint: 'https://minio.storage:9000', region: 'eu-central-1', pathStyle: true },
    streams: { servers: ['nats://nats.messaging:4222', 'tls://nats.other'], replicas: 3 },
    trino: { server: 'http://trino.sql:8080', catalog: 'lake' },
    allowedNamespaces: { matchLabels: { blasty: 'yes', 'example.com/team': 'films' } },
    limits: { tableLogBytes: '50Gi', tablesPerNamespace: 100 },
    webhookHosts: ['hooks.example.com'],
    adoptions: [{ namespace: 'cinema', namespaceUID: '3b0a3f0e-9a52-4d4e-8a11-0d2b6d4d3a55' }],
  },
  Table: {
    backendClassName: 'test',
    columns: [
      { name: 'id', type: 'String' },
      { name: 'released', type: 'Date' },
      { name: 'gross', type: 'Decimal', precision: 38, scale: 2, required: true },
      { name: 'prices', type: 'Array', items: { type: 'Decimal', precision: 38, scale: 2 } },
    ],
    primaryKey: ['id'],
    eventTime: { column: 'released', maxLatenessSeconds: 600 },
    log: { maxBytes: '10Gi', retentionSeconds: 604800, replicas: 3 },
    lake: { commitWindowSeconds: 30, historySeconds: 2592000 },
    rows: { retentionSeconds: 31536000 },
    query: { engine: 'Trino' },
    driftPolicy: 'Observe',
    deletionPolicy: 'Delete',
    deleteAfterSeconds: 3600,
  },
  Index: {
    tableRef: { name: 'films' },
    searchable: ['title', 'director'],
    filterable: ['released', 'place'],
    sortable: ['released', 'place'],
    ranking: ['Words', 'Sort', 'Exactness'],
    synonyms: { scifi: ['science fiction'] },
    stopWords: ['the', 'of'],
    typoTolerance: { enabled: true, oneTypoMinCharacters: 4, twoTyposMinCharacters: 8 },
  },
  Subscription: {
    tableRef: { name: 'films' },
    where: 'gross >= 100000000',
    start: { from: 'Time', time: '2027-01-01T00:00:00Z' },
    dedup: { keys: ['id'], windowSeconds: 86400 },
    order: { by: 'EventTime', maxLatenessSeconds: 60, idleSeconds: 30 },
    aggregate: {
      everySeconds: 3600,
      groupBy: ['genre'],
      measures: [{ as: 'total', function: 'Sum', column: 'gross' }],
      top: { measure: 'total', limit: 10 },
    },
    consumer: { ackWaitSeconds: 30, maxDeliver: 10, deadLetter: true },
    delivery: { type: 'Webhook', webhook: { url: 'https://hooks.example.com/films' } },
  },
  AccessPolicy: {
    subjects: [
      { kind: 'ServiceAccount', name: 'web' },
      { kind: 'Claim', claim: 'tenant', values: ['acme'] },
    ],
    rules: [
      {
        tables: { names: ['films'] },
        actions: ['Get'],
        where: "region = claim('region')",
        check: "region = claim('region')",
        columns: ['id', 'title'],
      },
    ],
    expiresAt: '2027-01-01T00:00:00Z',
  },
} satisfies Record<Kind, unknown>

export type Kind = keyof typeof minimal
