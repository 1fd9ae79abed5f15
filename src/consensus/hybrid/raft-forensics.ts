/**
 * Who lied, where two logs part within one Raft epoch. No entry carries a certificate there, but what members keep
 * is signed: a leader's word about its log, acknowledgements, grants, certificates, the history with which an
 * epoch was left. Two of these by one member that an honest one never signs both are proof; nothing else is.
 * Entries of different terms alone prove no lie: a later leader may replace what an earlier one left behind.
 */
import { type Certificate, votesOf } from '../bft/certificate.js'
import type { SignatureCheck } from '../bft/checks.js'
import { type Branch, type Evidence, equivocation, evidenceChecks, evidenceProblem, fork } from '../bft/evidence.js'
import type { Culprit } from '../bft/forensics.js'
import { type SignedStatement, slotKey } from '../bft/statement.js'
import type { Entry } from '../entry.js'
import type { NodeId } from '../types.js'
import { type AbortHistory, historyProblem, viewOf } from './abort-history.js'
import { termIn } from './hardened/append-rules.js'
import type { StoredRaft } from './hardened/standing.js'
import { bareHeader } from './headers.js'
import type { RaftEpoch } from './positions.js'

/** What one member keeps of a Raft epoch; nothing of it is verified. */
export interface KeptOfEpoch {
  /** Where it stands; null where it is in another epoch. */
  readonly standing: StoredRaft | null
  /** How it left the epoch; null where it did not. */
  readonly history: AbortHistory | null
  /** Of its log, contiguous, from where the logs part on. */
  readonly entries: readonly Entry[]
}

/** Whom what two members keep of one epoch convicts, in the order of the configuration, with evidence that holds. */
export function blameRaft(
  epoch: RaftEpoch,
  holds: (check: SignatureCheck) => boolean,
  a: KeptOfEpoch,
  b: KeptOfEpoch,
): Culprit[] {
  const found = new Map<NodeId, Evidence>()
  const proves = (evidence: Evidence): boolean =>
    evidenceProblem(epoch.sha256, epoch.replicas, evidence) === null &&
    evidenceChecks(epoch.sign.clusterId, epoch.replicas, evidence).every(holds)
  for (const evidence of contradictions(epoch, a, b)) {
    if (!found.has(evidence.culprit) && proves(evidence)) found.set(evidence.culprit, evidence)
  }
  return epoch.replicas.ids.flatMap((id): Culprit[] => {
    const evidence = found.get(id)
    return evidence === undefined ? [] : [{ id, reason: 'equivocation', evidence }]
  })
}

function* contradictions(epoch: RaftEpoch, a: KeptOfEpoch, b: KeptOfEpoch): Generator<Evidence> {
  const said = new Map<string, SignedStatement[]>()
  for (const statement of statementsIn(epoch, a)) {
    const key = `${statement.signer}/${slotKey(statement)}`
    said.set(key, [...(said.get(key) ?? []), statement])
  }
  for (const statement of statementsIn(epoch, b)) {
    for (const other of said.get(`${statement.signer}/${slotKey(statement)}`) ?? []) {
      const evidence = equivocation(epoch.sign, other, statement)
      if (evidence !== null) yield evidence
    }
  }
  const branches = branchesIn(epoch, b)
  for (const one of branchesIn(epoch, a)) {
    for (const other of branches) {
      const evidence = fork(epoch.sign, one, other)
      if (evidence !== null) yield evidence
    }
  }
}

function statementsIn(epoch: RaftEpoch, { standing, history, entries }: KeptOfEpoch): SignedStatement[] {
  const certificates: (Certificate | undefined)[] = entries.map((entry) => termOfEntry(entry))
  const statements: (SignedStatement | null | undefined)[] = []
  if (standing !== null) {
    const { header, commit, proof, term, current } = standing.standing
    certificates.push(...[commit, proof, term?.certificate, current?.certificate].flatMap((one) => one ?? []))
    statements.push(header, standing.grant?.vote, standing.lastAck, ...standing.states.own)
  }
  if (history !== null) {
    const { header, commit, term, lastAck, vote } = history
    certificates.push(...[commit, term?.certificate].flatMap((one) => one ?? []))
    statements.push(header, lastAck, vote)
  }
  const votes = certificates.flatMap((one) => (one === undefined ? [] : votesIn(epoch, one)))
  return [...votes, ...statements.flatMap((one) => one ?? [])].filter((one) => one.epoch === epoch.epoch)
}

function termOfEntry(entry: Entry): Certificate | undefined {
  return entry.kind === 'mode' ? termIn(entry)?.certificate : undefined
}

/** None where it names signers that the epoch does not have. */
function votesIn({ replicas }: RaftEpoch, certificate: Certificate): SignedStatement[] {
  return certificate.signers.every((signer) => signer < replicas.count) ? votesOf(replicas, certificate) : []
}

/** The logs that leaders signed, as far as they are at hand. */
function branchesIn(epoch: RaftEpoch, { standing, history, entries }: KeptOfEpoch): Branch[] {
  const branches: Branch[] = []
  const header = standing?.standing.header
  if (header != null) branches.push(...branchOfLog(header, entries))
  if (history !== null && history.header !== null && historyProblem(epoch, history) === null) {
    const { certified, hashes } = viewOf(epoch, history)
    branches.push({ header: history.header, start: certified, hashes, headers: history.headers })
  }
  return branches
}

/** The entries up to the place that a leader signed. `fork` asks whether that is where they lead. */
function branchOfLog(header: SignedStatement, entries: readonly Entry[]): Branch[] {
  const [first] = entries
  if (first === undefined || header.sequence < first.index) return []
  const under = entries.slice(0, header.sequence - first.index + 1)
  if (under.at(-1)?.index !== header.sequence) return []
  const start = { index: first.index - 1, hash: first.previousChain }
  return [{ header, start, hashes: under.map(({ chain }) => chain), headers: under.map(bareHeader) }]
}
