/**
 * What must hold of what clients and operators are told, whatever the protocol: nothing is acknowledged
 * before it is committed, no read is older than what was acknowledged before it, and nodes that have
 * applied the same entries say the same of their state.
 */
import { InvariantViolation } from './violation.js'

export class ToldRules {
  acknowledgedMax = 0
  readonly #digests = new Map<number, { readonly digest: string; readonly node: string }>()

  read(index: number, floor: number): void {
    if (index < floor)
      throw new InvariantViolation('readsAreFresh', `a read saw index ${index} after ${floor} was acknowledged`)
  }

  /** `commits`: what is committed anywhere. */
  acknowledged(index: number, commits: number): void {
    this.acknowledgedMax = Math.max(this.acknowledgedMax, index)
    if (index > commits) {
      throw new InvariantViolation(
        'nothingAcknowledgedEarly',
        `index ${index} was acknowledged, ${commits} is committed`,
      )
    }
  }

  digestAt(index: number): string | undefined {
    return this.#digests.get(index)?.digest
  }

  /** How many comparisons it took: 0 where nobody else has told one. */
  digest(node: string, index: number, digest: string): number {
    const known = this.#digests.get(index)
    if (known === undefined) {
      this.#digests.set(index, { digest, node })
      return 0
    }
    if (known.digest !== digest)
      throw new InvariantViolation('stateMachineSafety', `${node} and ${known.node} differ at index ${index}`)
    return 1
  }
}
