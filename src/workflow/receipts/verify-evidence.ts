/** Checks evidence with nothing but what the cluster file says: whoever it names signed both statements. */
import { bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { SignatureCheck } from '../../consensus/bft/checks.js'
import { hasCertificates } from '../../consensus/bft/entry-proof.js'
import { walkEpochs } from '../../consensus/bft/epoch-chain.js'
import { evidenceChecks, evidenceProblem } from '../../consensus/bft/evidence.js'
import { contextOf, genesisEpoch } from '../../consensus/hybrid/epoch-links.js'
import { Replicas } from '../../consensus/bft/replicas.js'
import type { SignContext } from '../../consensus/bft/statement.js'
import { genesisMembership } from '../../consensus/membership.js'
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
  const { replicas, sign, checks } = members
  if (!bytesEqual(evidence.configHash, sign.configHash)) return 'it was signed under another configuration'
  const problem = evidenceProblem(trust.sha256, replicas, evidence)
  if (problem !== null) return problem
  const all = [...checks, ...evidenceChecks(clusterId, replicas, evidence)]
  return all.every(trust.holds) ? null : 'a signature does not hold'
}

interface Members {
  readonly replicas: Replicas
  readonly sign: SignContext
  readonly checks: readonly SignatureCheck[]
}

/** Who could sign in its epoch. */
function membersOf(trust: Trust, { evidence, steps }: EvidenceFile): Members | string {
  const { sha256, configuration, clusterConfigHash } = trust
  const { clusterId } = configuration
  const genesis = genesisMembership(configuration)
  if (evidence.epoch !== steps.length) return 'the members of its epoch are not shown'
  if (configuration.protocol === 'hybrid') {
    const { replicas, sign } = contextOf({ sha256, clusterId, clusterConfigHash }, genesisEpoch(genesis))
    return evidence.epoch > 0 ? 'the members of its epoch are not shown' : { replicas, sign, checks: [] }
  }
  if (!hasCertificates(configuration)) {
    const sign = { clusterId, configHash: clusterConfigHash }
    return steps.length > 0 ? 'plain Raft has one epoch' : { replicas: new Replicas(genesis), sign, checks: [] }
  }
  const chain = walkEpochs({ sha256, clusterId, clusterConfigHash }, configuration, configuration, steps)
  if (typeof chain === 'string') return chain
  const context = chain.contexts.at(-1)
  return context === undefined ? 'no members' : { replicas: context.replicas, sign: context.sign, checks: chain.checks }
}
