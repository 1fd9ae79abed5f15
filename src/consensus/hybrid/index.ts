/** The hybrid: what drivers, tools and tests use of it. */
export { DEFAULT_HYBRID_LIMITS, type HybridLimits, type HybridOptions } from './config.js'
export { HybridCore } from './core.js'
