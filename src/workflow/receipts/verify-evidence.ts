/** Checks evidence with nothing but what the cluster file says: whoever it names signed both statements. */
import { bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { SignatureCheck } from '../../consensus/bft/checks.js'
import type { EpochContext } from '../../consensus/bft/epoch.js'
import { evidenceChecks, evidenceProblem } from '../../consensus/bft/evidence.js'
import { newViewJudge } from '../../consensus/bft/pbft/index.js'
import { Replicas } from '../../consensus/bft/replicas.js'
import type { SignContext } from '../../consensus/bft/statement.js'
import { genesisMembership } from '../../consensus/membership.js'
import { isByzantine, type ProvenEpoch, walkPath } from './epochs.js'
import type { EvidenceFile } from './receipt-file.js'
import type { Trust } from './verify.js'

/** What is wrong; null when the culprit is proven. */
export function evidenceVerdict(trust: Trust, file: EvidenceFile): string | null {
  try {
    return problemOf(trust, file)
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'ProtocolViolation') return error.message
    throw error
  }
}

function problemOf(trust: Trust, file: EvidenceFile): string | null {
  const { evidence, clusterId } = file
  if (!bytesEqual(clusterId, trust.configuration.clusterId)) return 'the evidence is of another cluster'
  const members = membersOf(trust, file)
  if (typeof members === 'string') return members
  const { replicas, sign, checks, context } = members
  if (!bytesEqual(evidence.configHash, sign.configHash)) return 'it was signed under another configuration'
  const judge = context === null ? undefined : newViewJudge(trust.sha256, context)
  const problem = evidenceProblem(trust.sha256, replicas, evidence, judge)
  if (problem !== null) return problem
  const all = [...checks, ...evidenceChecks(clusterId, replicas, evidence)]
  return all.every(trust.holds) ? null : 'a signature does not hold'
}

interface Members {
  readonly replicas: Replicas
  readonly sign: SignContext
  readonly checks: readonly SignatureCheck[]
  /** Its epoch, where it is one of a Byzantine protocol; null otherwise. */
  readonly context: EpochContext | null
}

/** Who could sign in its epoch. */
function membersOf(trust: Trust, { evidence, steps }: EvidenceFile): Members | string {
  const { configuration, clusterConfigHash } = trust
  const { clusterId } = configuration
  if (evidence.epoch !== steps.length) return 'the members of its epoch are not shown'
  if (!isByzantine(configuration)) {
    const sign = { clusterId, configHash: clusterConfigHash }
    return { replicas: new Replicas(genesisMembership(configuration)), sign, checks: [], context: null }
  }
  const path = walkPath(trust, steps)
  if (typeof path === 'string') return path
  const { context } = path.epochs.at(-1) as ProvenEpoch
  return { replicas: context.replicas, sign: context.sign, checks: path.checks, context }
}
