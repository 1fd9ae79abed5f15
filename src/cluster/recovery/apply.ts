/**
 * Carries a recovery plan out: a new cluster with the state after the last entry of the chosen log. The
 * directories it was planned on are compared with what they were, and only read.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fromHex, toHex } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { ClientConfiguration } from '../../consensus/configuration.js'
import type { ProtocolName } from '../../consensus/types.js'
import { parsePublicKey } from '../../crypto/key-encoding.js'
import { uuidToBytes } from '../../workflow/uuid.js'
import type { ClusterLineage } from '../cluster-file.js'
import { requireEmpty } from '../new-directory.js'
import { type RestoredCluster, restoreCluster } from '../restore.js'
import { copyDataDirectory, printOf, requireStopped } from './data-copy.js'
import type { RecoveryPlan, SignedPlan } from './plan.js'
import { replayLog } from './replay.js'
import { openCopy } from './survivor.js'

export interface RecoverOptions {
  /** Absolute; does not exist or is empty. */
  readonly dir: string
  readonly nodes: number
  readonly protocol: ProtocolName
  readonly onProgress: (text: string) => void
}

/** Where the new cluster comes from. */
export function lineageOf({ plan, digest }: SignedPlan, timestampMs: number | null): ClusterLineage {
  return {
    clusterId: uuidToBytes(plan.clusterId, 'the cluster id of the plan'),
    index: plan.lastIndex,
    chain: fromHex(plan.lastChain),
    timestampMs,
    snapshot: null,
    plan: fromHex(digest),
  }
}

/**
 * Throws `Refused` where the quorum is not lost, `StalePlan` where a directory is not what it was,
 * `DataDirectoryLocked` where its node runs.
 */
export async function checkSources({ survivors, quorumSurvives }: RecoveryPlan): Promise<void> {
  if (quorumSurvives) {
    throw new KnhkError('Refused', 'the quorum is not lost: these members can go on by themselves', {
      hint: 'Start them: knhk up --dir DIR, or knhk node start.',
    })
  }
  for (const { dataDir, print } of survivors) {
    await requireStopped(dataDir)
    if ((await printOf(dataDir)) !== print) throw changed(dataDir)
  }
}

/** `checkSources` comes before. Throws `Refused` where `dir` is not empty, and what reading the log throws. */
export async function applyPlan(signed: SignedPlan, options: RecoverOptions): Promise<RestoredCluster> {
  const { plan } = signed
  const { dir, onProgress } = options
  await requireEmpty(dir)
  const chosen = plan.survivors.find(({ dataDir }) => dataDir === plan.chosen)
  if (chosen === undefined) throw new KnhkError('InvalidFile', 'the plan does not list the directory that it chose')
  await mkdir(dirname(dir), { recursive: true, mode: 0o700 })
  const scratch = await mkdtemp(join(dirname(dir), `.${basename(dir)}.recovering-`))
  try {
    onProgress(`copying ${chosen.dataDir}`)
    const copy = join(scratch, 'data')
    await copyDataDirectory(chosen.dataDir, copy)
    if ((await printOf(copy)) !== chosen.print) throw changed(chosen.dataDir)
    const clusterId = uuidToBytes(plan.clusterId, 'the cluster id of the plan')
    const storage = await openCopy(copy, { clusterId, nodeId: chosen.node })
    try {
      const state = await replayLog(storage, plan.clients?.map(clientOf) ?? null, (index) =>
        onProgress(`applied ${index} of ${plan.lastIndex}`),
      )
      if (state.base.index !== plan.lastIndex || toHex(state.base.chain) !== plan.lastChain) {
        throw new KnhkError('Corrupt', 'the log does not end as the plan says')
      }
      const { nodes, protocol } = options
      const origin = { ...state, dataDigest: null, lineage: lineageOf(signed, state.base.timestampMs) }
      return await restoreCluster({ dir, nodes, protocol, origin, onProgress })
    } finally {
      await storage.close()
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

function clientOf({ id, publicKey, role }: NonNullable<RecoveryPlan['clients']>[number]): ClientConfiguration {
  return { id, publicKey: parsePublicKey(publicKey), role: role as ClientConfiguration['role'] }
}

function changed(dataDir: string): KnhkError {
  return new KnhkError('StalePlan', `${dataDir} changed after the plan was made`, {
    hint: 'Plan again: knhk recover plan.',
    details: { dataDir },
  })
}
