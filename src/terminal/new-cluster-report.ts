/** What `snapshot restore` and `recover apply` say of the cluster that they make, or would make. */
import { toHex } from '../base/bytes.js'
import type { ClusterLineage } from '../cluster/cluster-file.js'
import { clusterPaths, nodePaths } from '../cluster/layout.js'
import type { RestoredCluster } from '../cluster/restore.js'
import type { LogBase } from '../consensus/snapshot.js'
import type { ProtocolName } from '../consensus/types.js'
import { uuidFromBytes } from '../workflow/uuid.js'
import type { Output } from './printer.js'

export interface NewClusterReport {
  /** False for a dry run. */
  readonly restored: boolean
  readonly clusterId: string | null
  readonly dir: string
  readonly clusterFile: string
  readonly protocol: string
  readonly nodes: readonly { readonly id: string; readonly address: string | null; readonly dataDir: string }[]
  readonly index: number
  readonly epoch: number
  readonly term: number
  readonly stateDigest: string | null
  readonly dataDigest: string | null
  readonly lineage: {
    readonly clusterId: string
    readonly index: number
    readonly chain: string
    readonly snapshot: string | null
    readonly plan: string | null
  }
}

export interface NewClusterPlan {
  readonly dir: string
  readonly nodes: number
  readonly protocol: ProtocolName
  readonly base: Pick<LogBase, 'index' | 'epoch' | 'term'>
  /** Hex; null where it is not known before. */
  readonly dataDigest: string | null
  readonly lineage: ClusterLineage
}

export function plannedCluster({ dir, nodes, protocol, base, dataDigest, lineage }: NewClusterPlan): NewClusterReport {
  const ids = Array.from({ length: nodes }, (_, i) => `n${i + 1}`)
  return {
    restored: false,
    clusterId: null,
    dir,
    clusterFile: clusterPaths(dir).clusterFile,
    protocol,
    nodes: ids.map((id) => ({ id, address: null, dataDir: nodePaths(dir, id).data })),
    index: base.index,
    epoch: base.epoch,
    term: base.term,
    stateDigest: null,
    dataDigest,
    lineage: presentLineage(lineage),
  }
}

export function madeCluster(plan: NewClusterPlan, { dir, configuration, snapshot }: RestoredCluster): NewClusterReport {
  return {
    ...plannedCluster(plan),
    restored: true,
    clusterId: uuidFromBytes(configuration.clusterId),
    nodes: configuration.members.map(({ id, address }) => ({ id, address, dataDir: nodePaths(dir, id).data })),
    stateDigest: toHex(snapshot.stateDigest),
    dataDigest: toHex(snapshot.dataDigest),
  }
}

export function newClusterOutput(report: NewClusterReport): Output {
  return {
    value: report,
    items: report.nodes,
    ids: report.clusterId === null ? [] : [report.clusterId],
    text: async ({ fields, table }) => {
      const { lineage } = report
      const head = fields([
        [report.restored ? 'new cluster' : 'would make', report.clusterId ?? report.dir],
        ['file', report.clusterFile],
        ['index', report.index],
        ['term', report.term],
        ['data digest', report.dataDigest],
        ['from cluster', lineage.clusterId],
        ...(lineage.snapshot === null ? [] : [['from snapshot', lineage.snapshot] as const]),
        ...(lineage.plan === null ? [] : [['by plan', lineage.plan] as const]),
      ])
      const rows = report.nodes.map(({ id, address, dataDir }) => [id, address, dataDir])
      const listed = `${head}\n${await table(['node', 'address', 'data directory'], rows)}`
      return report.restored ? `${listed}\nStart it: knhk up --dir ${report.dir}` : listed
    },
  }
}

function presentLineage({ clusterId, index, chain, snapshot, plan }: ClusterLineage): NewClusterReport['lineage'] {
  return {
    clusterId: uuidFromBytes(clusterId),
    index,
    chain: toHex(chain),
    snapshot: snapshot === null ? null : toHex(snapshot),
    plan: plan === null ? null : toHex(plan),
  }
}
