/**
 * Where things lie in the directory of a local cluster, in one place:
 * cluster.yaml, clients/admin.{key,pub,crt}, nodes/ID/{node.key,node.pub,node.crt,node.log,node.pid,data/}.
 */
import { join } from 'node:path'

export const ADMIN_CLIENT = 'admin'

/** Paths of one node; `key` is without its extension. */
export interface NodePaths {
  readonly dir: string
  readonly key: string
  readonly log: string
  readonly pid: string
  readonly data: string
}

export interface ClusterPaths {
  readonly dir: string
  readonly clusterFile: string
  /** What `init` is about to make; gone once the cluster file is there. */
  readonly plan: string
  /** Holds one directory per node. */
  readonly nodes: string
  /** The admin client's key, without extension. */
  readonly adminKey: string
  readonly lock: string
}

/** `dir` is absolute. */
export function clusterPaths(dir: string): ClusterPaths {
  return {
    dir,
    clusterFile: join(dir, 'cluster.yaml'),
    plan: join(dir, '.cluster.yaml.plan'),
    nodes: join(dir, 'nodes'),
    adminKey: join(dir, 'clients', ADMIN_CLIENT),
    lock: join(dir, '.lock'),
  }
}

export function nodePaths(dir: string, id: string): NodePaths {
  const node = join(dir, 'nodes', id)
  return {
    dir: node,
    key: join(node, 'node'),
    log: join(node, 'node.log'),
    pid: join(node, 'node.pid'),
    data: join(node, 'data'),
  }
}
