/** The clock, scheduler and randomness of a production node. */
import { randomBytes } from 'node:crypto'
import type { Clock, Random, Scheduler } from './ports.js'

export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
}

export const realScheduler: Scheduler = {
  nextTurn: (callback) => {
    setImmediate(callback)
  },
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}

/** Uniform in [0, 1) from the operating system: elections must not collide by a shared seed. */
export const realRandom: Random = () => randomBytes(4).readUInt32LE() / 2 ** 32
