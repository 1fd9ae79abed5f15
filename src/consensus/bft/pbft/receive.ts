/** A verified message to the rule that is made for it. */
import { unreachable } from '../../../base/assert.js'
import type { NodeId } from '../../types.js'
import { decodeInit } from '../init.js'
import { noteStatement, noteVotesOf, takeEvidence } from './accusations.js'
import { adoptCheckpoint, receiveCheckpoint } from './checkpoint-rules.js'
import { noteDecision, receiveDecided } from './decisions.js'
import { receiveFetch, receiveStatus, receiveValue, sendStatus } from './help.js'
import type { CertificateMessage, Decided, PbftMessage, Vote } from './messages.js'
import { receivePrePrepare, receiveVote } from './normal-case.js'
import { isNextInit } from './reconfigure.js'
import type { PbftState } from './state.js'
import { receiveOffer } from './transfer.js'
import { receiveNewView, receiveViewChange } from './view-change.js'

export function receive(state: PbftState, from: NodeId, message: PbftMessage): void {
  switch (message.type) {
    case 'pbftPrePrepare':
      return receivePrePrepare(state, message)
    case 'pbftVote':
      return takeVote(state, from, message)
    case 'pbftCertificate':
      return takeCertificate(state, message)
    case 'pbftViewChange':
      return receiveViewChange(state, message)
    case 'pbftNewView':
      return receiveNewView(state, message)
    case 'pbftStatus':
      return receiveStatus(state, from, message)
    case 'pbftFetch':
      return receiveFetch(state, from, message)
    case 'pbftValue':
      return receiveValue(state, message)
    case 'pbftDecided':
      return takeDecided(state, from, message)
    case 'pbftOffer':
      return receiveOffer(state, from, message)
    case 'pbftEvidence':
      takeEvidence(state, message.evidence)
      return
    default:
      unreachable(message, 'message')
  }
}

function takeVote(state: PbftState, from: NodeId, message: Vote): void {
  const { vote } = message
  noteStatement(state, vote, message)
  // A testimony convicts its signer; it is no vote.
  if (vote.signer !== from) return
  if (vote.type === 'checkpoint') receiveCheckpoint(state, vote)
  else receiveVote(state, vote, vote.type === 'commit' ? 'commit' : 'prepare')
}

function takeCertificate(state: PbftState, { certificate }: CertificateMessage): void {
  state.verified.add(certificate)
  noteVotesOf(state, certificate)
  if (certificate.statement.type === 'commit') noteDecision(state, certificate)
  else adoptCheckpoint(state, certificate)
}

/** Entries that were missing; where the donor has more, it is asked at once. */
function takeDecided(state: PbftState, from: NodeId, message: Decided): void {
  const before = state.log.lastIndex
  receiveDecided(state, message)
  // Ingress verified it where it stands at this place, and none of what the own log has already.
  const init = message.entries.find((entry) => isNextInit(state, entry))
  if (init !== undefined) {
    const { basis } = decodeInit(init.body)
    if (basis.kind === 'checkpoint') adoptCheckpoint(state, basis.certificate)
  }
  if (state.log.lastIndex > before && message.lastIndex > state.log.lastIndex) sendStatus(state, from, true)
}
