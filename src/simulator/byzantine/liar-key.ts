/**
 * The key of a liar: it signs whatever its owner wants to have said, under the configuration that holds
 * now, or under another one to look like a stranger's. Nobody else's key is within reach.
 */
import { writeU64 } from '../../base/bytes.js'
import type { BlockHeader } from '../../consensus/bft/hotstuff/block.js'
import { hashHeader } from '../../consensus/bft/hotstuff/block.js'
import { proposalStatement } from '../../consensus/bft/hotstuff/certificates.js'
import type { BlockParts } from '../../consensus/bft/hotstuff/messages.js'
import type { SignContext, SignedStatement, Statement } from '../../consensus/bft/statement.js'
import { signBytes } from '../../consensus/bft/statement.js'
import type { Sha256 } from '../../consensus/entry.js'
import type { NodeId } from '../../consensus/types.js'
import type { SeededRandom } from '../random.js'

export interface LiarKeyOptions {
  readonly owner: NodeId
  readonly sha256: Sha256
  readonly clusterId: Uint8Array
  readonly sign: (bytes: Uint8Array) => Uint8Array
  /** Of the epoch that the owner is in. */
  readonly configHash: () => Uint8Array
}

export class LiarKey {
  readonly owner: NodeId
  readonly sha256: Sha256
  readonly #options: LiarKeyOptions

  constructor(options: LiarKeyOptions) {
    this.owner = options.owner
    this.sha256 = options.sha256
    this.#options = options
  }

  /** What everybody signs for now. */
  get context(): SignContext {
    const { clusterId, configHash } = this.#options
    return { clusterId, configHash: configHash() }
  }

  sign(statement: Statement): SignedStatement {
    const { owner, sign } = this.#options
    return { ...statement, signer: owner, signature: sign(signBytes(this.context, statement)) }
  }

  /** As somebody signs who belongs to another cluster, or to another epoch's configuration. */
  signAsStranger(statement: Statement, random: SeededRandom): SignedStatement {
    const { clusterId, configHash, owner, sign } = this.#options
    const context = random.chance(0.5)
      ? { clusterId: flipped(clusterId, random), configHash: configHash() }
      : { clusterId, configHash: flipped(configHash(), random) }
    return { ...statement, signer: owner, signature: sign(signBytes(context, statement)) }
  }

  /** A block with another header, signed by its proposer. */
  signBlock(block: BlockParts, header: BlockHeader, body: Uint8Array = block.body): BlockParts {
    const { signature } = this.sign(proposalStatement(hashHeader(this.sha256, header)))
    return { ...block, header, body, signature }
  }
}

/** One bit of it turned. */
export function flipped(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  // `slice` of a Buffer is a view: the liar would change what its own node holds.
  const out = new Uint8Array(bytes)
  if (out.length === 0) return out
  const at = random.between(0, out.length - 1)
  out[at] = (out[at] as number) ^ (1 << random.between(0, 7))
  return out
}

/**
 * The same statement a little off (ByzzFuzz's small scope: Winter, Buse, de Graaf, von Gleissenthall and
 * Özkan, 2023): its view or sequence one more or less, or another digest that was seen before.
 */
export function slightlyOff(statement: Statement, digests: readonly Uint8Array[], random: SeededRandom): Statement {
  const { view, sequence } = statement
  switch (random.between(0, 4)) {
    case 0:
      return { ...statement, view: view + 1 }
    case 1:
      return { ...statement, view: Math.max(0, view - 1) }
    case 2:
      return { ...statement, sequence: sequence + 1 }
    case 3:
      return { ...statement, sequence: Math.max(0, sequence - 1) }
    default:
      return { ...statement, digest: digests.length === 0 ? flipped(statement.digest, random) : random.pick(digests) }
  }
}

/** A round as the extra of a HotStuff statement. */
export function roundExtra(round: number): Uint8Array {
  const extra = new Uint8Array(32)
  writeU64(extra, 0, round)
  return extra
}
