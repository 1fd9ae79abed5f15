/** PBFT: what drivers, tools and tests use of it. */

export { EpochContext, type EpochPorts, type Origin } from '../epoch.js'
export { decodeInit, encodeInit, type HandOver, type InitBasis, type InitRecord, type ValidateInit } from '../init.js'
export { decodePbft, encodePbft, isPbft } from './codec.js'
export {
  DEFAULT_PBFT_LIMITS,
  DEFAULT_PBFT_SETTINGS,
  type PbftLimits,
  type PbftModules,
  type PbftOptions,
  type PbftSettings,
} from './config.js'
export { PbftCore } from './core.js'
export { type ProofVerdict, verifyPbftEntryCertificate } from './decision-proof.js'
export type { PbftMessage } from './messages.js'
