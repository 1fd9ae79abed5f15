/**
 * A NEW-VIEW whose order does not follow from the view changes that it rests on is evidence by itself: its
 * signature binds the content of every one of them, and the order. Who judges it computes the order again,
 * as every backup does, so anybody who knows the members and the beginning of the epoch can.
 */
import { bytesEqual } from '../../../base/bytes.js'
import type { Sha256 } from '../../entry.js'
import type { EpochContext } from '../epoch.js'
import type { Evidence, JudgeMessage } from '../evidence.js'
import { sameStatement } from '../statement.js'
import { decodePbft, encodePbft } from './codec.js'
import type { NewView } from './messages.js'
import { computeOrder, newViewProblem, sameOrder } from './new-view.js'
import { nullValue } from './value.js'

/** A longer one ends its view, and is not handed on. */
const MESSAGE_BYTES_MAX = 1 << 17
/** No window is larger: it bounds what a judge computes. */
const WINDOW_SLOTS_MAX = 1 << 16

/** Null where it is too long to be handed on. */
export function wrongNewView({ sign }: EpochContext, newView: NewView): Evidence | null {
  const message = encodePbft(newView)
  const { vote } = newView
  if (message.length > MESSAGE_BYTES_MAX) return null
  const { configHash } = sign
  const accused = { culprit: vote.signer, epoch: vote.epoch, configHash, first: vote, second: vote }
  return { kind: 'newView', ...accused, passage: null, message }
}

/** Judges such evidence of one epoch, apart from the signature of the culprit. Throws `ProtocolViolation`. */
export function newViewJudge(sha256: Sha256, context: EpochContext): JudgeMessage {
  return ({ first, second, message }) => {
    if (message === null || !sameStatement(first, second) || !bytesEqual(first.signature, second.signature))
      return 'it is not about one message'
    const newView = decodePbft(message)
    if (newView.type !== 'pbftNewView' || !sameStatement(newView.vote, first) || newView.vote.signer !== first.signer)
      return 'the message is not the one that was signed'
    const problem = newViewProblem(sha256, context, WINDOW_SLOTS_MAX, newView)
    if (problem !== null) return problem
    const { order } = computeOrder(sha256, context, nullValue(sha256), newView.viewChanges)
    return sameOrder(order, newView.order) ? 'its order is the right one' : null
  }
}
