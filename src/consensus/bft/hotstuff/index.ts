/** The public names of HotStuff for the rooms above: the core, what it is made from, and its offline proof. */
export { decodeHotStuff, encodeHotStuff, isHotStuff } from './codec.js'
export { DEFAULT_HOTSTUFF_LIMITS, type HotStuffLimits } from './config.js'
export { HotStuffCore } from './core.js'
export type { HotStuffMessage } from './messages.js'
export { verifyHotStuffEntryCertificate } from './proof.js'
