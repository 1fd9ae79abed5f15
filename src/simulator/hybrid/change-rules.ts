/**
 * What must hold of the members of a hybrid's epochs: they are those of the newest change that is committed up to
 * where the epoch begins, or of genesis. So a change that is decided takes place, whatever protocol decided it,
 * and no other does.
 */
import { bytesEqual } from '../../base/bytes.js'
import type { Entry } from '../../consensus/entry.js'
import type { EpochStart } from '../../consensus/hybrid/epoch-record.js'
import { decodeMembership, encodeMembership, type Membership } from '../../consensus/membership.js'
import type { NodeId } from '../../consensus/types.js'
import { InvariantViolation } from '../violation.js'

export class ChangeRules {
  readonly #genesis: Membership
  readonly #entryAt: (index: number) => Entry | undefined
  readonly #seen = new Set<EpochStart>()
  /** Comparisons made. */
  checks = 0

  /** `entryAt`: what is committed there; undefined where it is not known. */
  constructor(genesis: Membership, entryAt: (index: number) => Entry | undefined) {
    this.#genesis = genesis
    this.#entryAt = entryAt
  }

  /** An honest node was told that something is committed, and is in the epoch that began so. Throws `InvariantViolation`. */
  committedIn(by: NodeId, start: EpochStart): void {
    if (this.#seen.has(start)) return
    this.#seen.add(start)
    const { epoch, configuredAt, origin, membership } = start
    const brought = configuredAt === 0 ? this.#genesis : this.#membershipAt(configuredAt)
    this.checks++
    if (brought !== undefined && !isSame(brought, membership))
      throw this.#violation(by, epoch, `other members than entry ${configuredAt} brought`)
    for (let index = configuredAt + 1; index <= origin.index; index++) {
      if (this.#entryAt(index)?.kind === 'membership')
        throw this.#violation(by, epoch, `the members of entry ${configuredAt}, and entry ${index} changed them`)
    }
  }

  /** Null where it changes no members; undefined where it is not known. */
  #membershipAt(index: number): Membership | null | undefined {
    const entry = this.#entryAt(index)
    if (entry === undefined) return undefined
    return entry.kind === 'membership' ? decodeMembership(entry.body) : null
  }

  #violation(by: NodeId, epoch: number, what: string): InvariantViolation {
    return new InvariantViolation('membersAreOfLog', `${by} is in epoch ${epoch} with ${what}`)
  }
}

function isSame(brought: Membership | null, membership: Membership): boolean {
  return brought !== null && bytesEqual(encodeMembership(brought), encodeMembership(membership))
}
