/** The one core that runs in an epoch, made from where the epoch began and what the log holds. */
import { HotStuffCore } from '../bft/hotstuff/core.js'
import type { InitBasis, ValidateInit } from '../bft/init.js'
import { PbftCore } from '../bft/pbft/index.js'
import { epochConfigHash, Replicas } from '../bft/replicas.js'
import type { Core, Now, RestoredLog } from '../core.js'
import type { Term } from '../types.js'
import type { HybridModules, HybridOptions } from './config.js'
import type { EpochStart } from './epoch-record.js'
import type { RaftEpoch } from './positions.js'
import {
  decodeSwitch,
  type EndingEpoch,
  encodeSwitch,
  type SwitchCertificate,
  switchChecks,
  switchResult,
} from './switch-certificate.js'

/** What a Raft epoch is judged by. */
export function raftEpoch(
  options: HybridOptions,
  modules: Pick<HybridModules, 'sha256'>,
  start: EpochStart,
): RaftEpoch {
  const { clusterId, clusterConfigHash } = options
  const { epoch, origin, membership } = start
  const configHash = epochConfigHash(modules.sha256, clusterConfigHash, membership)
  return {
    sha256: modules.sha256,
    epoch,
    replicas: new Replicas(membership),
    sign: { clusterId, configHash },
    origin: { term: 0 as Term, index: origin.index, hash: origin.chain },
  }
}

export function endingOf(
  options: HybridOptions,
  modules: Pick<HybridModules, 'sha256'>,
  start: EpochStart,
): EndingEpoch {
  const { clusterConfigHash } = options
  return { raft: raftEpoch(options, modules, start), membership: start.membership, clusterConfigHash }
}

/** INIT of the epoch after a switch rests on its certificate: another one for the same decision serves as well. */
function validateSwitch(ending: EndingEpoch, known: SwitchCertificate): ValidateInit {
  return (_record, proof) => {
    const claimed = decodeSwitch(proof)
    const result = switchResult(ending, claimed)
    const isKnown = claimed.timestampMs === known.timestampMs && claimed.body.every((byte, i) => byte === known.body[i])
    return typeof result === 'string' || !isKnown ? null : switchChecks(ending, claimed)
  }
}

/** The Byzantine core of the epoch that begins with `start`, after the Raft epoch `ended`. */
export function byzantineCore(
  options: HybridOptions,
  modules: HybridModules,
  start: EpochStart,
  switched: { readonly ended: EpochStart; readonly certificate: SwitchCertificate },
  restored: RestoredLog,
  now: Now,
): Core {
  const { self, clusterId, clusterConfigHash, pbftSettings, pbftLimits, hotstuffLimits } = options
  const { epoch, origin, membership } = start
  const { sha256, sign, random, mayChangeMembers } = modules
  const shared = { self, clusterId, clusterConfigHash, epoch, origin, membership }
  const ports = { sha256, sign, random, mayChangeMembers, restored, now }
  const proof = encodeSwitch(switched.certificate)
  const validate = validateSwitch(endingOf(options, modules, switched.ended), switched.certificate)
  if (start.mode === 'hotstuff') {
    const basis: InitBasis = { kind: 'handOver', proof }
    return new HotStuffCore({ ...shared, basis, validateInit: validate, limits: hotstuffLimits }, ports)
  }
  const handOver = { proof, validate }
  return new PbftCore({ ...shared, handOver, settings: pbftSettings, limits: pbftLimits }, ports)
}
