/**
 * Members of a local cluster that come and go: key, data directory, line in the cluster file, process.
 * Made in an order in which an interrupted attempt can be told from a finished one and is finished by
 * the next: a line in the file says that key and data directory are whole. An id is used once; whoever
 * comes back under the name of a member that left would be taken for it.
 */
import { rm } from 'node:fs/promises'
import { KnhkError } from '../base/error.js'
import type { ClusterConfiguration, MemberConfiguration } from '../consensus/configuration.js'
import { nodeId } from '../consensus/types.js'
import type { Newcomer } from './change-goals.js'
import { addMemberToClusterFile, idsOfRemoved, markMemberRemoved } from './change-members.js'
import { readClusterFile } from './cluster-file.js'
import { formatMember } from './data-directories.js'
import { exists } from './files.js'
import { chooseFreePorts } from './free-ports.js'
import { keyAt, LOCAL_ZONE } from './init.js'
import { clusterPaths, nodePaths } from './layout.js'
import { startFailure } from './local.js'
import { type ProcessEnd, runningPid, type StartedProcess, spawnNode } from './processes.js'
import { STOP_GRACE_MS, type StoppedNode, stopLocalNode } from './stop-local.js'

/** A started process that is watched while somebody waits for it. */
export interface WatchedNode {
  readonly id: string
  readonly pid: number
  /** Throws `StartFailed` once it has ended. */
  check(): Promise<void>
  /** Lets this process end while the node goes on. */
  release(): void
}

export class LocalMembers {
  readonly dir: string
  readonly #launcher: readonly string[]

  /** `launcher` runs knhk, normally [node, bin/run.js]. */
  constructor(dir: string, launcher: readonly string[]) {
    this.dir = dir
    this.#launcher = launcher
  }

  /** Ids that may not be used again, and those in use. */
  async usedIds(): Promise<ReadonlySet<string>> {
    const { clusterFile } = clusterPaths(this.dir)
    const { genesis, members } = await readClusterFile(clusterFile)
    return new Set([...[...genesis, ...members].map(({ id }) => id), ...(await idsOfRemoved(clusterFile))])
  }

  /**
   * Makes what the node of a newcomer needs, or finds it made. Throws `Refused` for an id that a member
   * had before, or that is listed with a node elsewhere or at another address.
   */
  async prepare({ id, address, zone }: Newcomer): Promise<MemberConfiguration> {
    const { clusterFile } = clusterPaths(this.dir)
    const configuration = await readClusterFile(clusterFile)
    const listed = configuration.members.find((member) => member.id === id)
    const paths = nodePaths(this.dir, id)
    if (listed !== undefined) {
      if (!(await exists(`${paths.key}.key`))) {
        throw new KnhkError('Refused', `${id} is a member already, and its node is not one of ${this.dir}`)
      }
      if (address !== null && address !== listed.address) {
        throw new KnhkError('Refused', `${id} is listed already, at ${listed.address}`, {
          hint: 'Leave the address out, or choose another id.',
        })
      }
      return listed
    }
    await this.refuseUsed(id)
    // The public key is written last: without it nobody has seen this key, and it is made anew.
    if (!(await exists(`${paths.key}.pub`))) {
      for (const extension of ['key', 'crt']) await rm(`${paths.key}.${extension}`, { force: true })
    }
    const { publicKey } = await keyAt(paths.key)
    await formatMember(configuration, id, paths.data)
    const [place, http] = await this.#freeAddresses(configuration)
    const member = { id: nodeId(id), publicKey, address: address ?? place, zone: zone ?? LOCAL_ZONE, http }
    await addMemberToClusterFile(clusterFile, member)
    return member
  }

  /** Throws `Refused` for the id of a member that left. */
  async refuseUsed(id: string): Promise<void> {
    const used = await this.usedIds()
    const { members } = await readClusterFile(clusterPaths(this.dir).clusterFile)
    if (!used.has(id) || members.some((member) => member.id === id)) return
    throw new KnhkError('Refused', `${id} was a member before: an id is not used twice`, {
      hint: `Take another, ${nextFreeId(used)} for example.`,
      details: { node: id },
    })
  }

  /** Starts the node unless it runs; null where it does. */
  async start(id: string): Promise<WatchedNode | null> {
    if ((await runningPid(this.dir, id)) !== null) return null
    return watched(this.dir, await spawnNode(this.#launcher, this.dir, id))
  }

  /** Notes that a member left and stops its process. Its data stays where it is. */
  async retire(id: string): Promise<StoppedNode> {
    const { clusterFile } = clusterPaths(this.dir)
    const { members } = await readClusterFile(clusterFile)
    if (members.some((member) => member.id === id)) await markMemberRemoved(clusterFile, id)
    return stopLocalNode(this.dir, id, { graceMs: STOP_GRACE_MS })
  }

  /** Whether the files of this node are here. */
  async has(id: string): Promise<boolean> {
    return exists(`${nodePaths(this.dir, id).key}.key`)
  }

  /** For peers and clients, and for HTTP. */
  async #freeAddresses({ members }: ClusterConfiguration): Promise<[string, string]> {
    // The ports of a member that does not run right now are free, but not ours. More ports than they have: two are.
    const ports = await chooseFreePorts(2 * members.length + 2)
    const taken = new Set(members.flatMap(({ address, http }) => [address, http]))
    const free = ports.map((port) => `127.0.0.1:${port}`).filter((address) => !taken.has(address))
    return [free[0] as string, free[1] as string]
  }
}

/** n1, n2, …: the first that nobody has or had. */
export function nextFreeId(used: ReadonlySet<string>): string {
  for (let number = 1; ; number++) if (!used.has(`n${number}`)) return `n${number}`
}

function watched(dir: string, child: StartedProcess): WatchedNode {
  let end: ProcessEnd | null = null
  void child.ended.then((ended) => {
    end = ended
  })
  return {
    id: child.id,
    pid: child.pid,
    check: async () => {
      if (end !== null) throw await startFailure(dir, child.id, end)
    },
    release: () => child.release(),
  }
}
