/** The programs of the development servers: pinned version, oldest acceptable one, official download, Go build. */
import { fileURLToPath } from 'node:url'

export const programNames = [
  'nats-server',
  'minio',
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kubectl',
  'helm',
  'grpcurl',
] as const

export type ProgramName = (typeof programNames)[number]

/** A platform in Go's words, such as `linux` and `arm64`. */
export type Platform = { readonly os: string; readonly arch: string }

/** A publisher's file, and where the publisher keeps its checksum. */
export type Release = {
  readonly url: string
  /** A file that holds the SHA-256, alone or in lines of `<hex>  <file>`. */
  readonly checksumUrl: string
  /** Path of the program inside the archive; absent when the file is the program itself. */
  readonly member?: string
}

export type GoBuild = {
  readonly package: string
  readonly ldflags: string
} & ({ readonly moduleVersion: string } | { readonly moduleFolder: string })

export type Program = {
  readonly name: ProgramName
  /** The version that is downloaded or built. */
  readonly version: string
  /** The oldest version taken from PATH. */
  readonly minimum: string
  /** False when the first number of its version says nothing about compatibility. */
  readonly sameMajor?: false
  readonly versionArgs: readonly string[]
  /** Finds the version in what `versionArgs` prints. */
  readonly versionPattern: RegExp
  /** The official download, where the publisher has one for the platform. */
  readonly release?: (platform: Platform) => Release | undefined
  readonly build: GoBuild
  /** How long a cold build takes on two cores. */
  readonly buildMinutes: number
  /** Where a person gets it. */
  readonly homepage: string
}

const kubernetesVersion = '1.36.3'
const natsVersion = '2.15.2'
const etcdVersion = '3.7.3'
const helmVersion = '4.3.1'
const grpcurlVersion = '1.9.3'
const strip = '-s -w'

const toolsFolder = (name: string): string => fileURLToPath(new URL(`./tools/${name}`, import.meta.url))

/** kubectl and Helm cannot parse the server's version unless the build sets it. */
const kubernetesLdflags = [
  strip,
  `-X k8s.io/component-base/version.gitVersion=v${kubernetesVersion}`,
  '-X k8s.io/component-base/version.gitMajor=1',
  '-X k8s.io/component-base/version.gitMinor=36',
].join(' ')

/** The publisher builds its servers for Linux only, kubectl also for macOS. */
function kubernetesProgram(
  name: ProgramName,
  buildMinutes: number,
  oses: readonly string[],
  versionArgs: readonly string[] = ['--version'],
): Program {
  return {
    name,
    version: kubernetesVersion,
    minimum: '1.36',
    versionArgs,
    versionPattern: /(?:Kubernetes|Client Version:) v(\S+)/,
    release: ({ os, arch }) => {
      if (!oses.includes(os)) return undefined
      const url = `https://dl.k8s.io/release/v${kubernetesVersion}/bin/${os}/${arch}/${name}`
      return { url, checksumUrl: `${url}.sha256` }
    },
    build: {
      package: `k8s.io/kubernetes/cmd/${name}`,
      ldflags: kubernetesLdflags,
      moduleFolder: toolsFolder('kubernetes'),
    },
    buildMinutes,
    homepage: 'https://kubernetes.io/releases/download/',
  }
}

function natsRelease({ os, arch }: Platform): Release {
  const folder = `https://github.com/nats-io/nats-server/releases/download/v${natsVersion}`
  const base = `nats-server-v${natsVersion}-${os}-${arch}`
  return { url: `${folder}/${base}.tar.gz`, checksumUrl: `${folder}/SHA256SUMS`, member: `${base}/nats-server` }
}

/** macOS gets a zip, which its `tar` reads as well. */
function etcdRelease({ os, arch }: Platform): Release {
  const folder = `https://github.com/etcd-io/etcd/releases/download/v${etcdVersion}`
  const base = `etcd-v${etcdVersion}-${os}-${arch}`
  const extension = os === 'darwin' ? 'zip' : 'tar.gz'
  return { url: `${folder}/${base}.${extension}`, checksumUrl: `${folder}/SHA256SUMS`, member: `${base}/etcd` }
}

function helmRelease({ os, arch }: Platform): Release {
  const url = `https://get.helm.sh/helm-v${helmVersion}-${os}-${arch}.tar.gz`
  return { url, checksumUrl: `${url}.sha256sum`, member: `${os}-${arch}/helm` }
}

/** Its archives name platforms in words of their own. */
function grpcurlRelease({ os, arch }: Platform): Release {
  const folder = `https://github.com/fullstorydev/grpcurl/releases/download/v${grpcurlVersion}`
  const platform = `${os === 'darwin' ? 'osx' : os}_${arch === 'amd64' ? 'x86_64' : arch}`
  return {
    url: `${folder}/grpcurl_${grpcurlVersion}_${platform}.tar.gz`,
    checksumUrl: `${folder}/grpcurl_${grpcurlVersion}_checksums.txt`,
    member: 'grpcurl',
  }
}

/** Every program by name. */
export const programs: Readonly<Record<ProgramName, Program>> = {
  'nats-server': {
    name: 'nats-server',
    version: natsVersion,
    minimum: '2.15',
    versionArgs: ['--version'],
    versionPattern: /nats-server: v(\S+)/,
    release: natsRelease,
    build: { package: 'github.com/nats-io/nats-server/v2', ldflags: strip, moduleVersion: `v${natsVersion}` },
    buildMinutes: 1,
    homepage: 'https://github.com/nats-io/nats-server/releases',
  },
  // Published as source only since the autumn of 2025: there is no official download of this version.
  minio: {
    name: 'minio',
    version: '20260212201848',
    minimum: '2025-09-07',
    sameMajor: false,
    versionArgs: ['--version'],
    versionPattern: /version RELEASE\.(\S+)/,
    build: {
      package: 'github.com/minio/minio',
      ldflags: strip,
      moduleVersion: 'v0.0.0-20260212201848-7aac2a2c5b7c',
    },
    buildMinutes: 3,
    homepage: 'https://github.com/minio/minio',
  },
  etcd: {
    name: 'etcd',
    version: etcdVersion,
    minimum: '3.6',
    versionArgs: ['--version'],
    versionPattern: /etcd Version: (\S+)/,
    release: etcdRelease,
    build: { package: 'go.etcd.io/etcd/server/v3', ldflags: strip, moduleFolder: toolsFolder('etcd') },
    buildMinutes: 1,
    homepage: 'https://github.com/etcd-io/etcd/releases',
  },
  'kube-apiserver': kubernetesProgram('kube-apiserver', 4, ['linux']),
  'kube-controller-manager': kubernetesProgram('kube-controller-manager', 1, ['linux']),
  kubectl: kubernetesProgram('kubectl', 1, ['linux', 'darwin'], ['version', '--client']),
  helm: {
    name: 'helm',
    version: helmVersion,
    minimum: '4.0',
    versionArgs: ['version', '--short'],
    versionPattern: /^v(\S+)/m,
    release: helmRelease,
    build: { package: 'helm.sh/helm/v4/cmd/helm', ldflags: strip, moduleVersion: `v${helmVersion}` },
    buildMinutes: 2,
    homepage: 'https://helm.sh/docs/intro/install/',
  },
  // No part of a stack: the demo calls the facade with it, as a client that knows nothing but reflection.
  grpcurl: {
    name: 'grpcurl',
    version: grpcurlVersion,
    minimum: '1.8',
    versionArgs: ['-version'],
    versionPattern: /grpcurl v?(\d\S*)/,
    release: grpcurlRelease,
    build: {
      package: 'github.com/fullstorydev/grpcurl/cmd/grpcurl',
      ldflags: `${strip} -X main.version=v${grpcurlVersion}`,
      moduleVersion: `v${grpcurlVersion}`,
    },
    buildMinutes: 2,
    homepage: 'https://github.com/fullstorydev/grpcurl/releases',
  },
}
