/**
 * Shows that `why` names the cause with its numbers: who is missing for a quorum, whose log is too short
 * to win, who may not vote, what waits for whom; and that it says nothing where nothing is wrong.
 */
import { expect, test } from 'vitest'
import type { NodeStatus } from '../../src/client/api.js'
import type { MembersView } from '../../src/cluster/members.js'
import type { PeerReport, SelfReport } from '../../src/cluster/self-reports.js'
import type { Member } from '../../src/consensus/membership.js'
import { logIndex, nodeId } from '../../src/consensus/types.js'
import type { Evidence, LocalNodeState } from '../../src/terminal/why/evidence.js'
import type { Finding } from '../../src/terminal/why/finding.js'
import { consensusFindings } from '../../src/terminal/why/findings.js'
import { readinessFindings } from '../../src/terminal/why/readiness-findings.js'

const member = (id: string, extra: Partial<Member> = {}): Member => ({
  id: nodeId(id),
  publicKey: new Uint8Array(32),
  address: `${id}:1`,
  zone: 'local',
  role: 'voter',
  wasVoter: false,
  promote: false,
  ...extra,
})
const report = (id: string, extra: Partial<SelfReport> = {}): SelfReport => ({
  id,
  role: 'follower',
  epoch: 0,
  term: 5,
  view: null,
  round: null,
  leader: 'n1',
  lastIndex: 100,
  commitIndex: 100,
  appliedIndex: 100,
  mayVote: true,
  restoring: false,
  notReady: [],
  requestsWaiting: 0,
  commitZones: null,
  peers: [],
  linkedTo: [],
  stays: null,
  ...extra,
})
const peer = (id: string, extra: Partial<PeerReport> = {}): PeerReport => ({
  id,
  matchIndex: 100,
  flow: 'replicate',
  active: true,
  snapshotIndex: null,
  ...extra,
})
const LEADER = report('n1', { role: 'leader', peers: [peer('n2'), peer('n3')] })

interface Scene {
  readonly members?: readonly Member[]
  readonly reports: readonly SelfReport[]
  readonly view?: Partial<MembersView>
  readonly lastTerms?: Readonly<Record<string, number>>
  readonly leaderLater?: SelfReport
  readonly later?: readonly SelfReport[]
  readonly status?: Partial<Evidence['status']>
  readonly local?: Readonly<Record<string, LocalNodeState>>
}

/** The findings without their words where `Finding` is looked at by code. */
function findings(scene: Scene): Finding[] {
  const members = scene.members ?? ['n1', 'n2', 'n3'].map((id) => member(id))
  const reports = new Map(scene.reports.map((one) => [one.id, one]))
  const view = { index: logIndex(9), committed: true, joint: false, members, ...scene.view }
  const nodes = members.map(({ id, address }) => ({
    id: id as string,
    address,
    reachable: reports.has(id),
    error: reports.has(id) ? null : { code: 'Unreachable', message: 'refused', details: {} },
  })) as unknown as NodeStatus[]
  const evidence: Evidence = {
    status: {
      mode: 'raft',
      epoch: 0,
      leader: 'n1',
      nodes,
      commitIndex: 100,
      ...scene.status,
    } as unknown as Evidence['status'],
    reports,
    views: new Map(scene.reports.map(({ id }) => [id, view])),
    leader: scene.reports.find(({ role }) => role === 'leader') ?? null,
    view,
    lastTerms: new Map(Object.entries(scene.lastTerms ?? {})),
    leaderLater: scene.leaderLater ?? null,
    later: new Map((scene.later ?? []).map((one) => [one.id, one])),
    local: new Map(Object.entries(scene.local ?? {})),
  }
  return [...consensusFindings(evidence), ...readinessFindings(evidence)]
}

const codes = (scene: Scene) => findings(scene).map(({ code, node }) => (node === null ? code : `${code} ${node}`))
const find = (scene: Scene, code: Finding['code']) => findings(scene).find((one) => one.code === code)

test('a sound cluster has no findings', () => {
  expect(findings({ reports: [LEADER, report('n2'), report('n3')] })).toEqual([])
})

test('a missing quorum is counted, with who is missing and what its log says', () => {
  const scene = {
    reports: [report('n1', { role: 'preCandidate', leader: null })],
    local: { n2: { running: false, lastError: 'StorageFailed: the disk is full' } },
  }
  expect(codes(scene)).toEqual(['Unreachable n2', 'Unreachable n3', 'NoQuorum', 'NoLeader', 'Campaigning n1'])
  expect(find(scene, 'NoQuorum')).toMatchObject({ numbers: { voters: 3, quorum: 2, able: 1 } })
  expect(find(scene, 'Unreachable')?.message).toBe(
    'n2 (n2:1) does not answer: its process does not run; its log ends with StorageFailed: the disk is full',
  )
})

test('whose log is too short to win is told, by term first and then by index', () => {
  const lost = { leader: null, role: 'follower' }
  const scene = {
    reports: [
      report('n1', { ...lost, lastIndex: 135 }),
      report('n2', { ...lost, lastIndex: 135 }),
      report('n3', { ...lost, lastIndex: 220, role: 'candidate' }),
    ],
    lastTerms: { n1: 5, n2: 5, n3: 4 },
  }
  expect(codes(scene)).toEqual(['NoLeader', 'Campaigning n3', 'CannotWin n3'])
  expect(find(scene, 'CannotWin')).toMatchObject({
    message: "n3 cannot win: its log ends at 220 in term 4, n1's at 135 in term 5",
    numbers: { lastIndex: 220, lastTerm: 4, newestIndex: 135, newestTerm: 5, votes: 1, quorum: 2 },
  })
  const byIndex = { ...scene, lastTerms: { n1: 5, n2: 5, n3: 5 } }
  expect(findings(byIndex).filter(({ code }) => code === 'CannotWin')).toEqual([])
})

test('a damaged node is no part of a quorum', () => {
  const damaged = report('n2', { mayVote: false, lastIndex: 40, leader: null })
  const scene = { reports: [report('n1', { leader: null }), damaged] }
  expect(codes(scene)).toEqual(['Unreachable n3', 'NotVoting n2', 'NoQuorum', 'NoLeader'])
})

test('a leader of an older term and who follows it are told apart from the one that leads', () => {
  const old = report('n2', { role: 'leader', term: 3, leader: 'n2' })
  expect(codes({ reports: [LEADER, old, report('n3', { term: 3, leader: 'n2' })] })).toEqual([
    'SecondLeader n2',
    'OtherLeader n3',
  ])
})

test('entries that wait for a quorum, and a member that the leader does not hear', () => {
  const peers = [peer('n2', { matchIndex: 90, active: false }), peer('n3', { matchIndex: 80 })]
  const stuck = report('n1', { role: 'leader', lastIndex: 120, commitIndex: 90, peers })
  const scene = { reports: [stuck, report('n2'), report('n3')], leaderLater: stuck }
  expect(codes(scene)).toEqual(['CommitWaits n1', 'NotHeard n2'])
  expect(find(scene, 'CommitWaits')?.numbers).toEqual({ commitIndex: 90, lastIndex: 120, holders: 1, quorum: 2 })
  expect(codes({ ...scene, leaderLater: { ...stuck, commitIndex: 91 } })).toEqual(['NotHeard n2'])
})

test('a zone that is missing where entries have to be held in two, before anything waits for it', () => {
  const members = [member('n1', { zone: 'a' }), member('n2', { zone: 'a' }), member('n3', { zone: 'b' })]
  const apart = { ...LEADER, commitZones: 2 }
  expect(findings({ members, reports: [apart, report('n2'), report('n3')] })).toEqual([])
  const alone = { ...apart, peers: [peer('n2'), peer('n3', { active: false })] }
  const scene = { members, reports: [alone, report('n2')] }
  expect(codes(scene)).toEqual(['Unreachable n3', 'ZoneMissing'])
  expect(find(scene, 'ZoneMissing')).toMatchObject({ numbers: { zones: 2, zonesThere: 1, commitIndex: 100 } })
  expect(find(scene, 'ZoneMissing')?.message).toContain('of a, b only a is there; missing: n3')
  expect(codes({ ...scene, reports: [{ ...alone, commitZones: null }, report('n2')] })).toEqual(['Unreachable n3'])
  // Of a joint configuration the half that lacks a zone is meant.
  const halves = [
    member('n1', { zone: 'a', wasVoter: true }),
    member('n2', { zone: 'b', wasVoter: true, role: 'leaving' }),
    member('n3', { zone: 'c' }),
  ]
  const joint = {
    members: halves,
    view: { joint: true },
    reports: [{ ...alone, peers: [peer('n2'), peer('n3', { active: false })] }, report('n2')],
  }
  const waits = { ...alone, lastIndex: 120 }
  const waiting = { ...scene, reports: [waits, report('n2')], leaderLater: waits }
  expect(find(waiting, 'CommitWaits')?.message).toContain('2 of 3 voters in 2 zones are needed')
  expect(find(joint, 'ZoneMissing')?.message).toContain('of a, c only a is there')
})

test('voters that all stand in one zone cannot be held to two', () => {
  const members = ['n1', 'n2', 'n3'].map((id) => member(id, { zone: 'a' }))
  const scene = { members, reports: [{ ...LEADER, commitZones: 2 }, report('n2'), report('n3')] }
  expect(find(scene, 'ZoneMissing')?.message).toContain('n1, n2, n3 stand in a')
})

test('lag of replication and of apply, a snapshot under way, a state that is being replaced', () => {
  const peers = [peer('n2', { matchIndex: 2_000 }), peer('n3', { matchIndex: 10, snapshotIndex: 4_000 })]
  const ahead = { lastIndex: 5_000, commitIndex: 5_000, appliedIndex: 5_000 }
  const scene = {
    reports: [
      report('n1', { ...ahead, role: 'leader', peers }),
      report('n2', { ...ahead, appliedIndex: 3_999 }),
      report('n3', { restoring: true }),
    ],
  }
  expect(codes(scene)).toEqual(['ReplicationLag n2', 'ReceivingSnapshot n3', 'ApplyLag n2', 'Restoring n3'])
  expect(find(scene, 'ReplicationLag')?.numbers.lagEntries).toBe(3_000)
  expect(find(scene, 'ApplyLag')?.numbers.lagEntries).toBe(1_001)
})

test('a joint configuration needs both halves, and says which one is short', () => {
  const members = [member('n1', { wasVoter: true }), member('n2'), member('n3', { role: 'leaving', wasVoter: true })]
  const scene = { members, view: { joint: true }, reports: [{ ...LEADER, peers: [peer('n2')] }, report('n2')] }
  expect(codes(scene)).toEqual(['Unreachable n3', 'NoQuorum', 'JointConfiguration'])
  expect(find(scene, 'NoQuorum')?.message).toContain('2 of the 2 old voters')
  expect(find(scene, 'JointConfiguration')?.numbers).toEqual({ index: 9, oldQuorum: 2, newQuorum: 2 })
})

test('a learner that waits for its vote, heard or not, and a change that is not committed', () => {
  const members = [member('n1'), member('n2', { role: 'learner', promote: true })]
  const behind = report('n1', { role: 'leader', peers: [peer('n2', { matchIndex: 60 })] })
  const scene = { members, reports: [behind, report('n2')] }
  expect(find(scene, 'NotPromoted')).toMatchObject({ node: 'n2', numbers: { lagEntries: 40 } })
  const silent = { ...behind, peers: [peer('n2', { active: false })] }
  expect(find({ members, reports: [silent] }, 'NotPromoted')?.message).toContain('does not hear from it')
  const view = { committed: false, index: logIndex(101) }
  expect(codes({ reports: [LEADER, report('n2'), report('n3')], view })).toEqual(['ChangeNotCommitted'])
})

test('what a node says against its being ready, where nothing else says it', () => {
  const stalled = { reason: 'stalled_disk', message: 'a write is under way for 2000 ms', numbers: { pendingMs: 2000 } }
  const notReady = [stalled, { reason: 'no_leader', message: 'no leader is known', numbers: {} }]
  const scene = { reports: [LEADER, report('n2', { notReady }), report('n3')] }
  expect(codes(scene)).toEqual(['StalledDisk n2'])
  expect(find(scene, 'StalledDisk')).toMatchObject({
    message: 'n2: a write is under way for 2000 ms',
    numbers: { pendingMs: 2000 },
  })
})

/** Four replicas of PBFT, linked to each other. */
const FOUR = ['n1', 'n2', 'n3', 'n4']
const replicaReport = (id: string, extra: Partial<SelfReport> = {}) =>
  report(id, { term: 0, view: 3, linkedTo: FOUR.filter((other) => other !== id), ...extra })
const byzantine = (reports: readonly SelfReport[], extra: Partial<Scene> = {}): Scene => ({
  members: FOUR.map((id) => member(id)),
  reports,
  ...extra,
  status: { mode: 'pbft', leader: 'n1', ...extra.status },
})

test('a sound Byzantine cluster has no findings, and a learner in it is none', () => {
  const reports = FOUR.map((id) => replicaReport(id))
  const learner = replicaReport('n5', { role: 'learner', mayVote: false, leader: null })
  const members = [...FOUR.map((id) => member(id)), member('n5', { role: 'learner' })]
  expect(findings(byzantine(reports))).toEqual([])
  expect(findings(byzantine([...reports, learner], { members }))).toEqual([])
})

test('a Byzantine quorum is counted with n, f and q, and views that have not begun are told', () => {
  const alone = { leader: null, linkedTo: ['n2'] }
  const scene = byzantine([replicaReport('n1', alone), replicaReport('n2', { ...alone, view: 5, linkedTo: ['n1'] })], {
    status: { leader: null },
  })
  expect(codes(scene)).toEqual(['Unreachable n3', 'Unreachable n4', 'NoQuorum', 'CutOff n1', 'CutOff n2', 'NoLeader'])
  expect(find(scene, 'NoQuorum')).toMatchObject({ numbers: { n: 4, f: 1, q: 3, able: 2 } })
  expect(find(scene, 'NoQuorum')?.message).toContain('n = 4, f = 1, q = 3: 3 replicas have to agree')
  expect(find(scene, 'NoLeader')).toMatchObject({ numbers: { view: 5 } })
  expect(find(scene, 'CutOff')).toMatchObject({ numbers: { heard: 2 } })
})

test('requests that wait while nothing is decided are told, with the views that passed', () => {
  const before = FOUR.map((id) => replicaReport(id, { requestsWaiting: 7 }))
  const stuck = byzantine(before, { later: FOUR.map((id) => replicaReport(id, { requestsWaiting: 9, view: 4 })) })
  expect(codes(stuck)).toEqual(['NoProgress'])
  expect(find(stuck, 'NoProgress')).toMatchObject({ numbers: { waiting: 9, commitIndex: 100, viewChanges: 1 } })
  const moving = FOUR.map((id) => replicaReport(id, { requestsWaiting: 9, commitIndex: 101 }))
  expect(findings(byzantine(before, { later: moving }))).toEqual([])
})

test('replicas in views that have not begun, in other epochs, or far behind are named', () => {
  const reports = [
    replicaReport('n1'),
    replicaReport('n2'),
    replicaReport('n3', { leader: null, view: 4 }),
    replicaReport('n4', { leader: null, view: 4, epoch: 1, mayVote: false }),
  ]
  expect(codes(byzantine(reports))).toEqual(['NotVoting n4', 'ViewsApart', 'OtherEpoch n4'])
  const far = byzantine(
    FOUR.map((id) => replicaReport(id)),
    { status: { commitIndex: 5000 } },
  )
  expect(codes(far).filter((code) => code.startsWith('ReplicationLag'))).toHaveLength(4)
})
