/** How far a node has come on its way out of an epoch, read from what its core wants done. */
import type { Effect } from '../../consensus/core.js'
import type { NodeId } from '../../consensus/types.js'
import type { SwitchStep } from './strikes.js'

/** The steps that these effects of one step of the core are. */
export function switchStepsIn(self: NodeId, effects: readonly Effect[]): Set<SwitchStep> {
  const steps = new Set<SwitchStep>()
  for (const effect of effects) {
    if (effect.type === 'epochChanged') steps.add(effect.isUnderWay ? 'abort' : 'enter')
    if (effect.type !== 'send') continue
    const { message } = effect
    if (message.type === 'hybridSwitch') steps.add('decide')
    else if (message.type === 'hybridVote') {
      if (message.vote.type === 'panic' && message.vote.signer === self) steps.add('panic')
    } else if (message.type === 'hybridHandOver')
      steps.add(message.message.type === 'pbftPrePrepare' ? 'propose' : 'vote')
  }
  return steps
}
