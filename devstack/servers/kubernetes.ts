/** A Kubernetes control plane without nodes: etcd, kube-apiserver, kube-controller-manager. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ApiAccess, apiserverReady, callApi } from '../kubernetes/api.ts'
import { writeKubeconfig } from '../kubernetes/kubeconfig.ts'
import { loopback } from '../ports.ts'
import { keptFile, randomSecret } from '../secrets.ts'
import type { ServerSpec } from '../server.ts'
import { answersOk } from './http-ready.ts'
import type { Setting } from './setting.ts'

export const kubernetesPortCount = 3

export type ControlPlane = {
  readonly etcd: ServerSpec
  readonly apiserver: ServerSpec
  /** To be prepared once the apiserver serves: its certificate does not exist before. */
  readonly controllerManager: ServerSpec
  readonly kubeconfig: string
  /** How an administrator reaches the apiserver, once it serves. */
  access(): Promise<ApiAccess>
}

/** Prepares the three servers; they must be started in this order: etcd, apiserver, controller manager. */
export async function prepareKubernetes(setting: Setting): Promise<ControlPlane> {
  const [etcdPort = 0, peerPort = 0, apiPort = 0] = setting.ports
  const folder = join(setting.folder, 'kubernetes')
  const certificates = join(folder, 'certificates')
  await mkdir(folder, { recursive: true })
  const token = await keptFile(join(folder, 'admin-token'), randomSecret)
  await writeFile(join(folder, 'tokens.csv'), `${token},admin,admin,system:masters\n`, { mode: 0o600 })
  const keys = await signingKeys(folder)
  const access = async (): Promise<ApiAccess> => ({
    server: `https://${loopback}:${apiPort}`,
    ca: await readFile(join(certificates, 'apiserver.crt'), 'utf8'),
    token,
  })
  const kubeconfig = join(setting.folder, 'kubeconfig')
  const etcdUrl = `http://${loopback}:${etcdPort}`
  return {
    access,
    kubeconfig,
    etcd: {
      name: 'etcd',
      command: setting.program('etcd'),
      args: [
        `--data-dir=${join(folder, 'etcd')}`,
        `--listen-client-urls=${etcdUrl}`,
        `--advertise-client-urls=${etcdUrl}`,
        `--listen-peer-urls=http://${loopback}:${peerPort}`,
        `--initial-advertise-peer-urls=http://${loopback}:${peerPort}`,
        `--initial-cluster=default=http://${loopback}:${peerPort}`,
      ],
      ready: () => answersOk(`${etcdUrl}/readyz`),
    },
    apiserver: {
      name: 'kube-apiserver',
      command: setting.program('kube-apiserver'),
      args: [
        `--etcd-servers=${etcdUrl}`,
        `--bind-address=${loopback}`,
        `--secure-port=${apiPort}`,
        `--advertise-address=${loopback}`,
        '--endpoint-reconciler-type=none', // it would refuse a loopback address
        `--cert-dir=${certificates}`,
        `--service-account-key-file=${keys.public}`,
        `--service-account-signing-key-file=${keys.private}`,
        '--service-account-issuer=https://kubernetes.default.svc',
        `--token-auth-file=${join(folder, 'tokens.csv')}`,
        '--authorization-mode=RBAC',
        '--service-cluster-ip-range=10.0.0.0/24',
      ],
      stopSeconds: 1, // it waits for its watchers to leave, and keeps nothing itself
      ready: async () => apiserverReady(await access()),
    },
    controllerManager: {
      name: 'kube-controller-manager',
      command: setting.program('kube-controller-manager'),
      args: [
        `--kubeconfig=${kubeconfig}`,
        `--root-ca-file=${join(certificates, 'apiserver.crt')}`,
        '--secure-port=0',
        '--leader-elect=false',
      ],
      // It serves no port: that its controllers run shows in what they make.
      ready: async () => {
        await callApi(await access(), '/api/v1/namespaces/default/serviceaccounts/default')
      },
    },
  }
}

/** Writes the administrator's kubeconfig, which the controller manager uses too. */
export async function writeAdminKubeconfig(plane: ControlPlane): Promise<void> {
  await writeKubeconfig(plane.kubeconfig, await plane.access(), 'admin')
}

/** The key pair that signs service account tokens, kept in `folder`. */
async function signingKeys(folder: string): Promise<{ readonly private: string; readonly public: string }> {
  const paths = { private: join(folder, 'service-accounts.key'), public: join(folder, 'service-accounts.pub') }
  const pair: { privateKey: string; publicKey: string } = JSON.parse(
    await keptFile(join(folder, 'service-accounts.json'), () =>
      JSON.stringify(
        generateKeyPairSync('ec', {
          namedCurve: 'P-256',
          privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
          publicKeyEncoding: { type: 'spki', format: 'pem' },
        }),
      ),
    ),
  )
  await writeFile(paths.private, pair.privateKey, { mode: 0o600 })
  await writeFile(paths.public, pair.publicKey)
  return paths
}
