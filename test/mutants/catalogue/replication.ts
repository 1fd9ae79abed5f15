/** Planted bugs of replication: appends, acknowledgements, flow, and what commits. */
import type { Mutant } from '../mutant.js'

const APPENDS = 'src/consensus/raft/appends.ts'
const FOLLOWER_TESTS = 'test/consensus/raft-follower.test.ts'
const LEADER_TESTS = 'test/consensus/raft-leader.test.ts'

export const REPLICATION_MUTANTS: readonly Mutant[] = [
  {
    id: 'append-truncates-rest',
    title: 'an append removes whatever follows its entries',
    pitfall: 'append that truncates on reordering',
    file: APPENDS,
    find: '  const first = entries[fresh]\n  if (first === undefined) return',
    replace: `  const first = entries[fresh]
  const end = entries.at(-1)
  if (first === undefined && end !== undefined && end.index < log.lastIndex && end.index >= raft.commitIndex) {
    log.truncate((end.index + 1) as LogIndex)
    writes.truncate((end.index + 1) as LogIndex)
  }
  if (first === undefined) return`,
    killedBy: {
      simulator: { nodes: 3, seeds: 100 },
      tests: [{ file: FOLLOWER_TESTS, name: 'that arrive late, shorter than the log, truncate nothing' }],
    },
  },
  {
    id: 'append-always-conflicts',
    title: 'entries that are there already are taken for conflicts',
    pitfall: 'append that truncates on reordering',
    file: APPENDS,
    find: '    if (!log.matches(entry.index, entry)) break',
    replace: '    break',
    killedBy: { simulator: { nodes: 3, seeds: 20 } },
  },
  {
    id: 'append-without-match',
    title: 'an append does not ask whether the logs meet before it',
    pitfall: 'log matching',
    file: APPENDS,
    find: '} else if (!log.matches(message.prevIndex, previous)) {',
    replace: '} else if (log.lastIndex < message.prevIndex) {',
    killedBy: { simulator: { nodes: 3, seeds: 100 } },
  },
  {
    id: 'append-without-chain',
    title: 'neither the place before an append nor its hash chain is checked',
    pitfall: 'log matching',
    file: APPENDS,
    find: '    if (chain !== undefined && !bytesEqual(chain, entry.previousChain)) return false',
    replace: '',
    killedBy: { tests: [{ file: FOLLOWER_TESTS, name: 'that no correct leader sends are ignored' }] },
  },
  {
    id: 'ack-before-durable',
    title: 'an append is acknowledged before it is on disk',
    pitfall: 'vote reordered after log writes',
    file: 'src/consensus/raft/state.ts',
    find: 'const after = this.writes.afterFor(index)',
    replace: 'const after = undefined',
    killedBy: {
      simulator: { nodes: 3, seeds: 100 },
      tests: [{ file: FOLLOWER_TESTS, name: 'are written, then acknowledged' }],
    },
  },
  {
    id: 'ack-beyond-request',
    title: 'an acknowledgement covers the whole log, not what the request covered',
    pitfall: 'ack beyond the request',
    file: APPENDS,
    find: 'const matchIndex = (message.prevIndex + message.entries.length) as LogIndex',
    replace: 'const matchIndex = log.lastIndex',
    killedBy: {
      simulator: { nodes: 3, seeds: 100 },
      tests: [{ file: FOLLOWER_TESTS, name: 'acknowledge what the request covered' }],
    },
  },
  {
    id: 'commit-beyond-append',
    title: 'a follower commits entries that the append did not show to be the leader’s',
    pitfall: 'heartbeat commit beyond match',
    file: APPENDS,
    find: 'raft.commitTo(Math.min(message.commitIndex, matchIndex) as LogIndex)',
    replace: 'raft.commitTo(Math.min(message.commitIndex, log.lastIndex) as LogIndex)',
    killedBy: {
      simulator: { nodes: 3, seeds: 100 },
      tests: [{ file: FOLLOWER_TESTS, name: 'commit no further than they cover' }],
    },
  },
  {
    id: 'heartbeat-commit-beyond-match',
    title: 'a heartbeat carries the leader’s commit index whatever the follower holds',
    pitfall: 'heartbeat commit beyond match',
    file: 'src/consensus/raft/heartbeat.ts',
    find: 'const commitIndex = Math.min(peer.matchIndex, raft.commitIndex) as LogIndex',
    replace: 'const commitIndex = raft.commitIndex',
    killedBy: { simulator: { nodes: 3, seeds: 50 } },
  },
  {
    id: 'completion-survives-truncation',
    title: 'the completion of a write counts for entries that replaced its own',
    pitfall: 'ack of an old term counted (ABA of asynchronous storage)',
    file: 'src/consensus/raft/writes.ts',
    find: '    for (const write of this.#open) write.logEnd = Math.min(write.logEnd, end) as LogIndex',
    replace: '',
    killedBy: { tests: [{ file: FOLLOWER_TESTS, name: 'a completion of before a truncation does not count' }] },
  },
  {
    id: 'old-term-acks',
    title: 'acknowledgements of an older term are counted',
    pitfall: 'ack of an old term or a previous incarnation counted',
    file: 'src/consensus/raft/receive.ts',
    find: '  if (message.term < raft.term) {',
    replace: "  if (message.term < raft.term && message.type !== 'appendEntriesReply') {",
    killedBy: {
      simulator: { nodes: 5, seeds: 100 },
      tests: [{ file: LEADER_TESTS, name: 'ignores acks of an older term' }],
    },
  },
  {
    id: 'acks-of-the-future',
    title: 'a leader believes acknowledgements of entries that it never sent',
    pitfall: 'ack beyond the request',
    file: 'src/consensus/raft/replies.ts',
    find: '    if (message.matchIndex > raft.log.lastIndex) return',
    replace: '',
    killedBy: { tests: [{ file: LEADER_TESTS, name: 'acks of what does not exist' }] },
  },
  {
    id: 'match-goes-back',
    title: 'a late acknowledgement moves the match index back',
    pitfall: 'append that truncates on reordering',
    file: 'src/consensus/raft/progress.ts',
    find: '    if (news) this.matchIndex = index',
    replace: '    this.matchIndex = index',
    killedBy: { simulator: { nodes: 3, seeds: 20 }, tests: [{ file: LEADER_TESTS, name: 'never moves a match back' }] },
  },
  {
    id: 'leader-counts-unwritten',
    title: 'a leader counts its own copy before that is durable',
    pitfall: 'commit not bounded by durable',
    file: 'src/consensus/raft/leadership.ts',
    find: 'id === self ? writes.durableIndex : this.#of(id).matchIndex',
    replace: 'id === self ? log.lastIndex : this.#of(id).matchIndex',
    killedBy: {
      simulator: { nodes: 3, seeds: 100 },
      tests: [{ file: LEADER_TESTS, name: 'needs a quorum of durable copies' }],
    },
  },
  {
    id: 'figure-8',
    title: 'entries of older terms commit by counting',
    pitfall: 'Figure 8',
    file: 'src/consensus/raft/commit.ts',
    find: '  if (!raft.log.matches(index, raft)) return false',
    replace: '',
    killedBy: { simulator: { nodes: 5, seeds: 60 }, tests: [{ file: LEADER_TESTS, name: 'figure 8' }] },
  },
  {
    id: 'commit-beyond-durable',
    title: 'a commit is reported before the entry is durable here',
    pitfall: 'commit not bounded by durable',
    file: 'src/consensus/raft/state.ts',
    find: 'const upTo = Math.min(this.commitIndex, this.writes.durableIndex) as LogIndex',
    replace: 'const upTo = this.commitIndex',
    killedBy: { tests: [{ file: LEADER_TESTS, name: 'by the others alone is reported only when' }] },
  },
  {
    id: 'stuck-in-probe',
    title: 'a heartbeat reply does not free the next probe',
    pitfall: 'stuck in Probe',
    file: 'src/consensus/raft/replies.ts',
    find: '  peer.probeSent = false',
    replace: '',
    killedBy: { simulator: { nodes: 3, seeds: 50 }, tests: [{ file: LEADER_TESTS, name: 'probes with one message' }] },
  },
  {
    id: 'lost-window',
    title: 'a window whose messages were all lost is never asked about again',
    pitfall: 'window full after compaction, stuck in Probe',
    file: 'src/consensus/raft/replies.ts',
    find: '    if (peer.nextIndex === nextIndex) sendEmpty(raft, leading, peer)',
    replace: '',
    killedBy: {
      simulator: { nodes: 3, seeds: 50 },
      tests: [{ file: LEADER_TESTS, name: 'recovers a window whose messages were all lost' }],
    },
  },
  {
    id: 'foreign-loads',
    title: 'entries that come late from the disk are sent although the log has changed',
    pitfall: 'append that truncates on reordering',
    file: 'src/consensus/raft/replication.ts',
    find: 'if (wanted && isOurs(raft, input)) sendEntries',
    replace: 'if (wanted) sendEntries',
    killedBy: { tests: [{ file: LEADER_TESTS, name: 'gets nothing of a load that is outdated' }] },
  },
]
