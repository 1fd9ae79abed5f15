/** PBFT: what drivers, tools and tests use of it. */

export { decodePbft, encodePbft, isPbft } from './codec.js'
export {
  DEFAULT_PBFT_LIMITS,
  DEFAULT_PBFT_SETTINGS,
  type PbftLimits,
  type PbftSettings,
} from './config.js'
export { PbftCore } from './core.js'
export { verifyPbftEntryCertificate } from './decision-proof.js'
export type { PbftMessage } from './messages.js'
export { newViewJudge } from './wrong-new-view.js'
