/**
 * Why a Byzantine cluster decides nothing, with its own numbers: n, f and q, who answers, who is linked to
 * whom, in which views or rounds the replicas are, and what waits. Nobody's word about others is taken: each
 * report is of its sender, and what counts needs a quorum.
 */
import { votersOf } from '../../cluster/change-goals.js'
import type { SelfReport } from '../../cluster/self-reports.js'
import { byzantineFaults, byzantineQuorum } from '../../consensus/quorum.js'
import type { Evidence } from './evidence.js'
import type { Finding } from './finding.js'
import { unreachable } from './leader-findings.js'
import { applying } from './progress-findings.js'

/** Under load a few entries are always on their way. */
const LAG_ENTRIES = 1_000

interface Numbers {
  readonly ids: readonly string[]
  readonly n: number
  readonly f: number
  readonly q: number
}

export function byzantineFindings(evidence: Evidence): Finding[] {
  const { view } = evidence
  const about = unreachable(evidence)
  if (view === null) return about
  const ids = votersOf(view).map(({ id }) => id)
  const numbers = { ids, n: ids.length, f: byzantineFaults(ids.length), q: byzantineQuorum(ids.length) }
  return [
    ...about,
    ...quorum(evidence, numbers),
    ...silent(evidence, numbers),
    ...cutOff(evidence, numbers),
    ...apart(evidence, numbers),
    ...otherEpochs(evidence),
    ...staying(evidence, numbers),
    ...standstill(evidence, numbers),
    ...lagging(evidence),
    ...applying(evidence),
  ]
}

/** What f + 1 replicas name as the reason why a hybrid does not go back to Raft. */
function staying({ reports, status }: Evidence, { ids, f }: Numbers): Finding[] {
  const told = ids.flatMap((id) => reports.get(id)?.stays ?? [])
  const [stays] = told
  if (stays === undefined || told.length <= f) return []
  const { reason, retryAfterMs } = stays
  const hint =
    retryAfterMs === null
      ? 'Somebody has to act: see `knhk cluster threat show`; `knhk cluster mode set raft` orders the return.'
      : `It may go back in ${Math.ceil(retryAfterMs / 1000)} s.`
  const message = `this hybrid cluster stays in ${status.mode}: ${reason}`
  return [{ code: 'StaysByzantine', node: null, message, hint, numbers: retryAfterMs === null ? {} : { retryAfterMs } }]
}

const arithmetic = ({ n, f, q }: Numbers) => `n = ${n}, f = ${f}, q = ${q}`
const counted = ({ n, f, q }: Numbers) => ({ n, f, q })

function quorum({ reports }: Evidence, numbers: Numbers): Finding[] {
  const { ids, q } = numbers
  const able = ids.filter((id) => reports.get(id)?.mayVote === true)
  if (able.length >= q) return []
  const missing = ids.filter((id) => !able.includes(id))
  const there = able.length === 0 ? 'none is heard that may vote' : `${able.length} are heard (${able.join(', ')})`
  return [
    {
      code: 'NoQuorum',
      node: null,
      message: `${arithmetic(numbers)}: ${q} replicas have to agree, ${there}; missing: ${missing.join(', ')}`,
      hint: `Bring ${q - able.length} of ${missing.join(', ')} back; nothing that was answered is lost.`,
      numbers: { ...counted(numbers), able: able.length },
    },
  ]
}

/** Replicas that answer and may not sign. */
function silent({ reports }: Evidence, { ids }: Numbers): Finding[] {
  return ids.flatMap((id): Finding[] => {
    const report = reports.get(id)
    if (report === undefined || report.mayVote) return []
    return [
      {
        code: 'NotVoting',
        node: id,
        message: `${id} signs nothing: it lost what it had signed, or has left; its log ends at ${report.lastIndex}`,
        hint: 'It catches up and serves reads; to vote again it has to be replaced: knhk cluster members replace ID.',
        numbers: { lastIndex: report.lastIndex },
      },
    ]
  })
}

/** Who answers here, and is linked to fewer replicas than it needs to hear. */
function cutOff({ reports }: Evidence, numbers: Numbers): Finding[] {
  const { ids, q } = numbers
  return ids.flatMap((id): Finding[] => {
    const report = reports.get(id)
    if (report === undefined) return []
    const heard = ids.filter((other) => other === id || report.linkedTo.includes(other))
    if (heard.length >= q) return []
    const others = ids.filter((other) => !heard.includes(other))
    return [
      {
        code: 'CutOff',
        node: id,
        message: `${id} hears ${heard.length} of ${numbers.n} replicas, itself included, and needs ${q}; no link to ${others.join(', ')}`,
        hint: 'Do those run, and do the links between them work? Its own log and theirs name what fails.',
        numbers: { ...counted(numbers), heard: heard.length },
      },
    ]
  })
}

/** Without enough replicas in one view (or round) nothing is decided in it. */
function apart({ reports, status }: Evidence, numbers: Numbers): Finding[] {
  const { ids, q } = numbers
  const word = status.mode === 'pbft' ? 'view' : 'round'
  const turns = ids.flatMap((id) => {
    const report = reports.get(id)
    const turn = report?.[word] ?? null
    return report === undefined || turn === null ? [] : [{ id, turn, leader: report.leader }]
  })
  const highest = Math.max(0, ...turns.map(({ turn }) => turn))
  const led = turns.filter(({ leader }) => leader !== null)
  if (status.leader !== null && led.length >= q) return []
  const where = turns.map(({ id, turn, leader }) => `${id} ${turn}${leader === null ? ' (changing)' : ''}`).join(', ')
  const findings: Finding[] = []
  if (status.leader === null) {
    findings.push({
      code: 'NoLeader',
      node: null,
      message: `no ${word} has begun: no ${status.mode === 'pbft' ? 'primary' : 'leader'} that ${numbers.f + 1} replicas name; ${word}s: ${where || 'none is told'}`,
      hint: `A ${word} begins once ${q} replicas ask for it; see the other findings for who is missing.`,
      numbers: { ...counted(numbers), [word]: highest },
    })
  }
  if (led.length < q && turns.length >= q) {
    findings.push({
      code: 'ViewsApart',
      node: null,
      message: `${led.length} replicas are in a ${word} that has begun, ${q} are needed: ${where}`,
      hint: 'They join one another as soon as they hear of a later one; where it stays so, links between them fail.',
      numbers: { ...counted(numbers), inTurn: led.length, [word]: highest },
    })
  }
  return findings
}

function otherEpochs({ reports, status }: Evidence): Finding[] {
  return [...reports.values()].flatMap(({ id, epoch, lastIndex }): Finding[] => {
    if (epoch === status.epoch) return []
    return [
      {
        code: 'OtherEpoch',
        node: id,
        message: `${id} is in epoch ${epoch}, the cluster in epoch ${status.epoch}; its log ends at ${lastIndex}`,
        hint: 'It follows by the entry that changed the members and the certificate behind it; it goes on by itself.',
        numbers: { epoch, clusterEpoch: status.epoch, lastIndex },
      },
    ]
  })
}

/** Requests wait at replicas, and nothing was decided between two looks. */
function standstill({ reports, later, status }: Evidence, numbers: Numbers): Finding[] {
  const again = [...later.values()]
  const waiting = Math.max(0, ...again.map(({ requestsWaiting }) => requestsWaiting))
  if (waiting === 0 || again.some(({ id, commitIndex }) => commitIndex !== reports.get(id)?.commitIndex)) return []
  const word = status.mode === 'pbft' ? 'view' : 'round'
  const turn = (report: SelfReport | undefined) => report?.[word] ?? 0
  const changes = Math.max(0, ...again.map((report) => turn(report) - turn(reports.get(report.id))))
  const committed = Math.max(0, ...again.map(({ commitIndex }) => commitIndex))
  const where = again.map((report) => `${report.id} ${turn(report)}`).join(', ')
  return [
    {
      code: 'NoProgress',
      node: null,
      message: `${waiting} requests wait and nothing is decided after ${committed} (${arithmetic(numbers)}); ${word}s: ${where}`,
      hint: `A ${status.mode === 'pbft' ? 'primary' : 'leader'} that decides nothing is given up after the request time-out, which doubles up to its maximum.`,
      numbers: { ...counted(numbers), waiting, commitIndex: committed, [`${word}Changes`]: changes },
    },
  ]
}

function lagging({ reports, status }: Evidence): Finding[] {
  return [...reports.values()].flatMap(({ id, lastIndex }): Finding[] => {
    const lag = (status.commitIndex ?? 0) - lastIndex
    if (lag <= LAG_ENTRIES) return []
    return [
      {
        code: 'ReplicationLag',
        node: id,
        message: `${id} is ${lag} entries behind: its log ends at ${lastIndex}, decided is ${status.commitIndex}`,
        hint: 'It catches up by decided entries, or by a certified snapshot where the others hold them no more.',
        numbers: { lastIndex, commitIndex: status.commitIndex ?? 0, lagEntries: lag },
      },
    ]
  })
}
