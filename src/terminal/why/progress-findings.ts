/** Why nothing is committed, who lags and by how much, and why a change of members does not finish. */

import type { PeerReport, SelfReport } from '../../cluster/self-reports.js'
import { quorumOf } from '../../consensus/membership.js'
import { majority } from '../../consensus/quorum.js'
import type { Evidence } from './evidence.js'
import type { Finding } from './finding.js'

/** Under load a few entries are always on their way. */
const LAG_ENTRIES = 1_000

export function progressFindings(evidence: Evidence): Finding[] {
  return [...commitWaits(evidence), ...peers(evidence), ...applying(evidence), ...changing(evidence)]
}

function commitWaits({ leader, leaderLater, view }: Evidence): Finding[] {
  if (leader === null || leaderLater === null || view === null) return []
  const { commitIndex, lastIndex, commitZones } = leaderLater
  if (commitIndex > leader.commitIndex || lastIndex === commitIndex) return []
  const { voters } = quorumOf(view)
  const holders = voters.filter((id) => heldBy(leaderLater, id) > commitIndex)
  return [
    {
      code: 'CommitWaits',
      node: leaderLater.id,
      message: `the entries ${commitIndex + 1} to ${lastIndex} are not committed: ${holders.join(', ')} hold more than ${commitIndex}, ${majority(voters.length)} of ${voters.length} voters${commitZones === null ? '' : ` in ${commitZones} zones`} are needed`,
      hint: 'Bring the others back, or see why they do not take entries: a full or slow disk, a link that fails.',
      numbers: { commitIndex, lastIndex, holders: holders.length, quorum: majority(voters.length) },
    },
  ]
}

function heldBy(leader: SelfReport, id: string): number {
  return leader.id === id ? leader.lastIndex : (leader.peers.find((peer) => peer.id === id)?.matchIndex ?? 0)
}

/** One finding for each member that the leader has trouble with: the nearest cause. */
function peers({ leader, reports }: Evidence): Finding[] {
  if (leader === null) return []
  return leader.peers.flatMap((peer): Finding[] => {
    const lag = leader.lastIndex - peer.matchIndex
    const numbers = { matchIndex: peer.matchIndex, lastIndex: leader.lastIndex, lagEntries: lag }
    if (peer.snapshotIndex !== null) {
      return [
        {
          code: 'ReceivingSnapshot',
          node: peer.id,
          message: `${peer.id} is being given the snapshot of ${peer.snapshotIndex}: it is ${lag} entries behind, and the log no longer holds them all`,
          hint: 'It goes on by itself; `knhk wait --for caught-up` waits for it.',
          numbers: { ...numbers, snapshotIndex: peer.snapshotIndex },
        },
      ]
    }
    if (!peer.active) return reports.has(peer.id) ? [notHeard(leader, peer, numbers)] : []
    if (lag <= LAG_ENTRIES) return []
    return [
      {
        code: 'ReplicationLag',
        node: peer.id,
        message: `${peer.id} is ${lag} entries behind ${leader.id}: it holds ${peer.matchIndex} of ${leader.lastIndex}`,
        hint: 'It catches up where its disk and its link are faster than the load.',
        numbers,
      },
    ]
  })
}

function notHeard(leader: SelfReport, { id }: PeerReport, numbers: Finding['numbers']): Finding {
  return {
    code: 'NotHeard',
    node: id,
    message: `${id} answers here, but ${leader.id}, which leads, has not heard from it for an election time-out`,
    hint: 'The link between the two fails, or their keys or clusters differ: see the log of either.',
    numbers,
  }
}

export function applying({ status, reports }: Evidence): Finding[] {
  return [...reports.values()].flatMap(({ id, restoring, appliedIndex, commitIndex }): Finding[] => {
    const known = Math.max(commitIndex, status.commitIndex ?? 0)
    const lag = known - appliedIndex
    const numbers = { appliedIndex, commitIndex: known, lagEntries: lag }
    if (restoring) {
      return [
        {
          code: 'Restoring',
          node: id,
          message: `${id} is replacing its state by a snapshot; it has applied ${appliedIndex} of ${known}`,
          hint: 'It goes on by itself; reads of its state wait meanwhile.',
          numbers,
        },
      ]
    }
    // Committed here and not yet applied: what has not arrived is another matter.
    if (commitIndex - appliedIndex <= LAG_ENTRIES) return []
    return [
      {
        code: 'ApplyLag',
        node: id,
        message: `${id} has ${commitIndex - appliedIndex} committed entries to apply: it is at ${appliedIndex} of ${commitIndex}`,
        hint: 'Its processor or its disk is slower than the load; a leader that lags so takes no more proposals.',
        numbers,
      },
    ]
  })
}

function changing({ view, leader }: Evidence): Finding[] {
  if (view === null) return []
  const findings: Finding[] = []
  const { index } = view
  if (view.joint) {
    const { voters, outgoing } = quorumOf(view)
    findings.push({
      code: 'JointConfiguration',
      node: null,
      message: `a change of the voters is under way since entry ${index}: ${majority(outgoing.length)} of ${outgoing.join(', ')} and ${majority(voters.length)} of ${voters.join(', ')} have to agree`,
      hint: 'A leader ends it by itself once both have; if it stays, some of those named are missing.',
      numbers: { index, oldQuorum: majority(outgoing.length), newQuorum: majority(voters.length) },
    })
  } else if (!view.committed && (leader === null || leader.commitIndex < index)) {
    findings.push({
      code: 'ChangeNotCommitted',
      node: null,
      message: `the change of members at entry ${index} is not committed; committed is ${leader?.commitIndex ?? 'unknown'}`,
      hint: 'It ends as soon as a quorum holds it.',
      numbers: { index, ...(leader === null ? {} : { commitIndex: leader.commitIndex }) },
    })
  }
  for (const { id, promote } of view.members) {
    const peer = leader?.peers.find((one) => one.id === id)
    if (!promote || leader === null || peer === undefined) continue
    const lag = leader.lastIndex - peer.matchIndex
    findings.push({
      code: 'NotPromoted',
      node: id,
      message: peer.active
        ? `${id} gets its vote once it has caught up: it is ${lag} entries behind`
        : `${id} gets its vote once it has caught up, but ${leader.id} does not hear from it`,
      hint: peer.active ? 'It goes on by itself.' : 'Start its node; `knhk cluster members add` told how.',
      numbers: { matchIndex: peer.matchIndex, lastIndex: leader.lastIndex, lagEntries: lag },
    })
  }
  return findings
}
