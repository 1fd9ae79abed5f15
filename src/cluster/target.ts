/**
 * Which cluster a command talks to, and as whom. Flags win over KNHK_* variables, those over the
 * current context; within one source an explicit --cluster or --key wins over what --dir or
 * --context would give.
 */
import { basename, resolve } from 'node:path'
import { KnhkError } from '../base/error.js'
import type { ClusterConfiguration, MemberConfiguration } from '../consensus/configuration.js'
import { parseAddress } from './address.js'
import { readClusterFile } from './cluster-file.js'
import { type Context, readContexts, requireContext } from './contexts.js'
import { clusterPaths } from './layout.js'
import { TARGET_VARIABLES } from './target-variables.js'
import type { Environment } from './user-directories.js'

/** What one source (flags, or the environment) says. */
export interface TargetChoice {
  readonly dir?: string | undefined
  readonly context?: string | undefined
  readonly cluster?: string | undefined
  readonly key?: string | undefined
  readonly endpoints?: string | undefined
}

export interface Target {
  /** For people: the context, or the directory's name. */
  readonly name: string
  readonly clusterFile: string
  /** Path of the client key, without extension. */
  readonly keyPath: string
  /** The directory of a local cluster; null for any other. */
  readonly dir: string | null
  readonly configuration: ClusterConfiguration
  /** Member ids to talk to; null for all. */
  readonly endpoints: readonly string[] | null
}

/** Throws `Usage` when nothing says which cluster, `NotFound` or `InvalidFile` when it is not there. */
export async function resolveTarget(flags: TargetChoice, environment: Environment): Promise<Target> {
  const place = await findPlace(flags, environment)
  const variable = (name: keyof TargetChoice): string | undefined => environment[TARGET_VARIABLES[name]] || undefined
  const keyText = flags.key ?? variable('key')
  const keyPath = keyText === undefined ? place.keyPath : withoutExtension(resolve(keyText))
  if (keyPath === null) {
    throw new KnhkError('Usage', 'a cluster file alone does not say who is connecting', {
      hint: 'Give the client key with --key.',
    })
  }
  const configuration = await readClusterFile(place.clusterFile)
  const endpointText = flags.endpoints ?? variable('endpoints')
  const endpoints = endpointText?.split(',').map((part) => part.trim()) ?? place.endpoints
  return {
    name: place.name,
    clusterFile: place.clusterFile,
    keyPath,
    dir: place.dir,
    ...(endpoints === null ? { configuration, endpoints: null } : chooseEndpoints(configuration, endpoints)),
  }
}

/** The cluster file alone: for what is checked offline nobody connects. Throws as `resolveTarget`. */
export async function resolveClusterFile(flags: TargetChoice, environment: Environment): Promise<ClusterConfiguration> {
  const { clusterFile } = await findPlace(flags, environment)
  return readClusterFile(clusterFile)
}

interface Place {
  readonly name: string
  readonly clusterFile: string
  readonly keyPath: string | null
  readonly dir: string | null
  readonly endpoints: readonly string[] | null
}

async function findPlace(flags: TargetChoice, environment: Environment): Promise<Place> {
  const variables: TargetChoice = Object.fromEntries(
    Object.entries(TARGET_VARIABLES).map(([name, variable]) => [name, environment[variable] || undefined]),
  )
  for (const choice of [flags, variables]) {
    if (choice.dir !== undefined && choice.context !== undefined) {
      throw new KnhkError('Usage', 'a directory and a context are both given', {
        hint: 'Give --dir or --context, not both.',
      })
    }
    if (choice.cluster !== undefined) {
      const clusterFile = resolve(choice.cluster)
      return { name: basename(clusterFile), clusterFile, keyPath: null, dir: null, endpoints: null }
    }
    if (choice.dir !== undefined) return placeOfDirectory(choice.dir)
    if (choice.context !== undefined) {
      const { contexts } = await readContexts(environment)
      return placeOfContext(choice.context, requireContext(contexts, choice.context))
    }
  }
  const { current, contexts } = await readContexts(environment)
  if (current !== null) return placeOfContext(current, requireContext(contexts, current))
  throw new KnhkError('Usage', 'nothing says which cluster to talk to', {
    hint: 'Start one with `knhk up`, or name one with --dir, --context or --cluster (see `knhk context --help`).',
  })
}

function placeOfDirectory(path: string): Place {
  const paths = clusterPaths(resolve(path))
  return {
    name: basename(paths.dir),
    clusterFile: paths.clusterFile,
    keyPath: paths.adminKey,
    dir: paths.dir,
    endpoints: null,
  }
}

function placeOfContext(name: string, context: Context): Place {
  const { clusterFile, endpoints } = context
  const dir = basename(clusterFile) === 'cluster.yaml' ? resolve(clusterFile, '..') : null
  return { name, clusterFile, keyPath: withoutExtension(context.keyPath), dir, endpoints }
}

/**
 * Members named by id or address. `id=host:port` reaches a member at another address than the file
 * says, through a tunnel for example; its key is checked all the same.
 */
function chooseEndpoints(
  configuration: ClusterConfiguration,
  endpoints: readonly string[],
): { configuration: ClusterConfiguration; endpoints: readonly string[] } {
  const chosen = new Map<string, MemberConfiguration>()
  for (const endpoint of endpoints) {
    const [name, address] = endpoint.split('=', 2) as [string, string | undefined]
    const member = configuration.members.find((one) => one.id === name || one.address === name)
    if (member === undefined) {
      throw new KnhkError('NotFound', `the cluster file has no member ${JSON.stringify(name)}`, {
        hint: `Members: ${configuration.members.map((one) => `${one.id} (${one.address})`).join(', ')}.`,
        details: { endpoint },
      })
    }
    if (address !== undefined) parseAddress(address)
    chosen.set(member.id, address === undefined ? member : { ...member, address })
  }
  const members = configuration.members.map((member) => chosen.get(member.id) ?? member)
  return { configuration: { ...configuration, members }, endpoints: [...chosen.keys()] }
}

function withoutExtension(path: string): string {
  return path.replace(/\.(?:key|pub|crt)$/, '')
}
