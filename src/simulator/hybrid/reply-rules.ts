/**
 * What must hold of the answers that honest members give clients of a hybrid: a request has one result in
 * one place, whatever epochs lie between two answers, and epochs only grow with the places that they are
 * told for.
 */
import type { NodeId } from '../../consensus/types.js'
import { decodeApplied } from '../../transport/client-protocol.js'
import { decodeResults } from '../../workflow/result-codec.js'
import { InvariantViolation } from '../violation.js'

interface Told {
  readonly index: number
  readonly epoch: number
}

export class ReplyRules {
  readonly #epochAt: (index: number) => number | undefined
  /** Where a request was applied, by request. */
  readonly #places = new Map<string, { readonly place: string; readonly by: NodeId }>()
  /** The newest place that each member answered for, and the epoch that it named. */
  readonly #newest = new Map<NodeId, Told>()
  /** Comparisons made. */
  checks = 0

  /** `epochAt`: of a committed entry; undefined where it is not known. */
  constructor(epochAt: (index: number) => number | undefined) {
    this.#epochAt = epochAt
  }

  /** An honest member answered a request of a client. Throws `InvariantViolation`. */
  answered(by: NodeId, request: string, payload: Uint8Array): void {
    const { results, index, firstPosition, epoch } = decodeApplied(payload)
    this.#expectEpoch(by, { index, epoch })
    const [result] = decodeResults(results, index, firstPosition)
    if (result === undefined || (!result.outcome.ok && result.outcome.code !== 'CompareMismatch')) return
    const place = `${result.index}/${result.position}/${result.outcome.ok}`
    const known = this.#places.get(request)
    this.checks++
    if (known === undefined) this.#places.set(request, { place, by })
    else if (known.place !== place)
      throw new InvariantViolation(
        'appliedOnce',
        `request ${request} was applied at ${known.place} for ${known.by}, at ${place} for ${by}`,
      )
  }

  #expectEpoch(by: NodeId, told: Told): void {
    const least = this.#epochAt(told.index)
    if (least !== undefined && told.epoch < least)
      throw new InvariantViolation(
        'replyEpochsMonotone',
        `${by} answers for entry ${told.index} of epoch ${least} as of epoch ${told.epoch}`,
      )
    const newest = this.#newest.get(by)
    if (newest !== undefined && told.index > newest.index && told.epoch < newest.epoch)
      throw new InvariantViolation(
        'replyEpochsMonotone',
        `${by} answered for entry ${newest.index} in epoch ${newest.epoch}, for entry ${told.index} in epoch ${told.epoch}`,
      )
    if (newest === undefined || told.index > newest.index) this.#newest.set(by, told)
  }
}
