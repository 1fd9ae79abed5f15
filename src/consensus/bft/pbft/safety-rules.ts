/**
 * The double-sign guard: the only holder of the key. It decides first, then signs, and it never says
 * two things about one slot (Aptos' SafetyRules and CometBFT's sign state are the models). What it
 * signed is durable before it leaves, signature included, so a restarted replica repeats itself and
 * never signs anew.
 */
import { assert } from '../../../base/assert.js'
import type { NodeId } from '../../types.js'
import type { EpochContext } from '../epoch.js'
import {
  NO_EXTRA,
  type SignedStatement,
  type Statement,
  type StatementType,
  sameStatement,
  signBytes,
  slotKey,
} from '../statement.js'

export class SafetyRules {
  readonly #self: NodeId
  readonly #sign: (bytes: Uint8Array) => Uint8Array
  /** True where this node may have forgotten what it signed in this epoch: then it signs nothing in it. */
  #silent: boolean
  #context: EpochContext
  #view: number
  #active: boolean
  /** Slots up to this sequence are decided here: nothing is signed for them any more. */
  #decidedSequence = -1
  readonly #said = new Map<string, SignedStatement>()

  constructor(
    self: NodeId,
    sign: (bytes: Uint8Array) => Uint8Array,
    start: {
      readonly context: EpochContext
      readonly view: number
      readonly active: boolean
      readonly silent: boolean
    },
  ) {
    this.#self = self
    this.#sign = sign
    this.#silent = start.silent
    this.#context = start.context
    this.#view = start.view
    this.#active = start.active
  }

  /** True for a replica of this epoch that knows what it signed before. */
  get maySign(): boolean {
    return !this.#silent && this.#context.replicas.has(this.#self)
  }

  get silent(): boolean {
    return this.#silent
  }

  /** A statement that this replica signed before a restart. */
  remember(signed: SignedStatement): void {
    assert(signed.signer === this.#self, 'only own statements are remembered')
    this.#said.set(slotKey(signed), signed)
  }

  /** PREPARE (on the primary, with the proposal) or COMMIT in the present view. */
  vote(type: 'prepare' | 'commit', sequence: number, digest: Uint8Array): SignedStatement {
    assert(this.#active, 'a replica that left its view votes no more')
    assert(sequence > this.#decidedSequence, 'what is decided needs no vote')
    return this.#state(type, this.#view, sequence, digest, NO_EXTRA)
  }

  checkpoint(index: number, stateDigest: Uint8Array, chain: Uint8Array): SignedStatement {
    return this.#state('checkpoint', 0, index, stateDigest, chain)
  }

  /** The signed checkpoints that are remembered. */
  ownCheckpoints(): SignedStatement[] {
    return [...this.#said.values()].filter(({ type }) => type === 'checkpoint')
  }

  /** Leaves the present view for a higher one: no vote below it from here on. */
  leaveFor(view: number, digest: Uint8Array): SignedStatement {
    assert(view > this.#view, 'views only grow')
    const signed = this.#state('viewChange', view, 0, digest, NO_EXTRA)
    this.#view = view
    this.#active = false
    return signed
  }

  newView(view: number, digest: Uint8Array): SignedStatement {
    assert(view === this.#view && !this.#active, 'a new view is announced before it begins')
    assert(this.#context.primary(view) === this.#self, 'its primary announces a view')
    return this.#state('newView', view, 0, digest, NO_EXTRA)
  }

  /** A verified NEW-VIEW begins `view`. */
  enter(view: number): void {
    assert(view > this.#view || (view === this.#view && !this.#active), 'a view begins once')
    this.#view = view
    this.#active = true
  }

  /** Everything up to this sequence is decided. */
  decided(sequence: number): void {
    this.#decidedSequence = Math.max(this.#decidedSequence, sequence)
  }

  /** The next epoch: nothing is signed in this one any more. `silent`: it may be one in which this node signed before. */
  enterEpoch(context: EpochContext, silent: boolean): void {
    assert(context.epoch > this.#context.epoch, 'epochs only grow')
    this.#context = context
    this.#silent = silent
    this.#view = 0
    this.#active = true
    this.#decidedSequence = -1
    this.#said.clear()
  }

  /** Forgets votes that the rules above forbid anyway, and checkpoints below `checkpointIndex`. */
  forget(checkpointIndex: number): void {
    for (const [key, { type, view, sequence }] of this.#said) {
      const isVote = type === 'prepare' || type === 'commit'
      if (isVote && (view < this.#view || sequence <= this.#decidedSequence)) this.#said.delete(key)
      else if (type === 'checkpoint' && sequence < checkpointIndex) this.#said.delete(key)
      else if ((type === 'viewChange' || type === 'newView') && view < this.#view) this.#said.delete(key)
    }
  }

  #state(type: StatementType, view: number, sequence: number, digest: Uint8Array, extra: Uint8Array): SignedStatement {
    assert(this.maySign, 'this node signs nothing')
    const statement = statementOf(this.#context, type, view, sequence, digest, extra)
    const before = this.#said.get(slotKey(statement))
    if (before !== undefined) {
      assert(sameStatement(before, statement), 'a replica stands for one digest per slot')
      return before
    }
    const signature = this.#sign(signBytes(this.#context.sign, statement))
    const signed = { ...statement, signer: this.#self, signature }
    this.#said.set(slotKey(statement), signed)
    return signed
  }
}

function statementOf(
  { epoch }: EpochContext,
  type: StatementType,
  view: number,
  sequence: number,
  digest: Uint8Array,
  extra: Uint8Array,
): Statement {
  return { mode: 'pbft', type, epoch, view, sequence, digest, extra }
}
