/** Which invariant does not hold, for tests that show that each one can fail. */
import { InvariantViolation } from '../../src/simulator/violation.js'

/** The name of the invariant that `look` finds violated, null where all hold. */
export function violated(look: () => void): string | null {
  try {
    look()
    return null
  } catch (error) {
    if (error instanceof InvariantViolation) return error.invariant
    throw error
  }
}
