/**
 * The signatures inside a payload: of clients, in evidence, and in what an INIT rests on. They are
 * verified before anybody votes, and never again after the commit.
 */
import { certificateChecks, certificateProblem } from '../certificate.js'
import { changeCheck } from '../change-authority.js'
import { NO_CHECKS, type SignatureCheck } from '../checks.js'
import { bodyChecks } from '../client-request.js'
import { decodeEvidence, evidenceChecks, evidenceProblem } from '../evidence.js'
import { decodeInit } from '../init.js'
import { isModeChange } from '../mode-change.js'
import { epochConfigHash, Replicas } from '../replicas.js'
import { hasPayload } from './block.js'
import type { BlockParts, HsEvidence } from './messages.js'
import { changePlace } from './orders.js'
import { requestBodies } from './requests.js'
import type { HotStuffState } from './state.js'

/** What must hold; null where something is unsound whatever its signatures. */
export type Checks = readonly SignatureCheck[] | null

export function all(parts: readonly Checks[]): Checks {
  const checks: SignatureCheck[] = []
  for (const part of parts) {
    if (part === null) return null
    checks.push(...part)
  }
  return checks
}

export function payloadChecks(hs: HotStuffState, { header, body }: BlockParts): Checks {
  const { sha256 } = hs.modules
  switch (header.kind) {
    case 'data':
      return bodyChecks(sha256, hs.context.clusterId, body)
    case 'evidence':
      return all(
        requestBodies(body).map((request) =>
          evidenceMessageChecks(hs, { type: 'hsEvidence', epoch: hs.epoch, evidence: request }),
        ),
      )
    case 'mode':
      return isModeChange({ kind: 'mode', body }) ? (hs.options.modeRules?.checks(body) ?? null) : initChecks(hs, body)
    case 'membership':
      return [changeCheck(sha256, changePlace(hs), body)]
    default:
      return hasPayload(header) || body.length === 0 ? NO_CHECKS : null
  }
}

/** A checkpoint was signed by the replicas of the epoch before; a hand-over is judged by who knows it. */
function initChecks(hs: HotStuffState, body: Uint8Array): Checks {
  const init = decodeInit(body)
  const { validateInit, clusterId, clusterConfigHash } = hs.options
  const { basis } = init
  if (basis.kind === 'genesis') return NO_CHECKS
  if (basis.kind === 'handOver') return validateInit === undefined ? null : validateInit(init, basis.proof)
  if (hs.previous === null) return null
  const replicas = new Replicas(hs.previous)
  const configHash = epochConfigHash(hs.modules.sha256, clusterConfigHash, hs.previous)
  if (certificateProblem(replicas, basis.certificate) !== null) return null
  return certificateChecks({ clusterId, configHash }, replicas, basis.certificate)
}

export function evidenceMessageChecks(hs: HotStuffState, { evidence: bytes, epoch }: HsEvidence): Checks {
  const evidence = decodeEvidence(bytes)
  if (
    epoch !== hs.epoch ||
    evidence.epoch !== epoch ||
    evidenceProblem(hs.modules.sha256, hs.replicas, evidence) !== null
  )
    return null
  return evidenceChecks(hs.context.clusterId, hs.replicas, evidence)
}
