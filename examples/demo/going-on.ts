/** What a person may try while the demo stays up. */
import { namespace, type World } from './world.ts'

/** Prints endpoints and commands that work as they stand. */
export function sayHowToGoOn({ story, info, roles, grpcurl }: World): void {
  const { kubernetes, nats, objectStore, search } = info
  const query = { namespace, sql: 'SELECT genre, count(*) AS films FROM films GROUP BY ALL ORDER BY films DESC' }
  const call = `${grpcurl} -plaintext -expand-headers -H 'authorization: Bearer $\{TOKEN}'`
  story.heading('Go on yourself')
  story.table(
    ['server', 'address', 'note'],
    [
      ['facade (gRPC)', roles.grpc, 'health, reflection'],
      ['Kubernetes', kubernetes.server, ''],
      ['NATS', nats.servers.join(' '), `user ${nats.users.facade.user}, password ${nats.users.facade.password}`],
      ['MinIO', objectStore.endpoint, `access key ${objectStore.accessKey}, secret key ${objectStore.secretKey}`],
      ['Search', search.host, `key ${search.key}`],
    ],
  )
  for (const line of [
    '',
    '# Kubernetes',
    `export KUBECONFIG=${kubernetes.kubeconfig}`,
    `${kubernetes.kubectl} get blasty -A`,
    '',
    '# A token for the service account web, which may read',
    `export TOKEN=$(${kubernetes.kubectl} create token web -n ${namespace} --audience blasty)`,
    '',
    '# SQL, a typed row, a live feed (importer may write: make its token likewise)',
    `${call} -d '${JSON.stringify(query)}' ${roles.grpc} blasty.v1.QueryService/Query`,
    `${call} -d '{"key":{"id":1}}' ${roles.grpc} blasty.tables.${namespace}.v1.FilmsService/Get`,
    `${call} -d '{"table":{"namespace":"${namespace}","name":"films"},"now":{}}' ${roles.grpc} blasty.v1.SubscriptionService/Watch`,
    '',
    'Ctrl-C stops everything and removes its data.',
  ]) {
    story.line(line)
  }
}
