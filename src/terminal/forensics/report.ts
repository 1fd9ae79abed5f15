/**
 * `forensics`: two logs, or two receipts, and who lied where they contradict each other. A contradiction
 * counts only where both sides are certified: anybody can write anything into a directory of his own.
 */
import { bytesEqual, toHex } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { ProofRules } from '../../consensus/bft/entry-proof.js'
import type { EpochContext } from '../../consensus/bft/epoch.js'
import { evidenceId } from '../../consensus/bft/evidence.js'
import {
  type Blame,
  blameHotStuff,
  blamePbft,
  blameStatements,
  contradicts,
  type Decided,
  type Testimony,
} from '../../consensus/bft/forensics.js'
import { blameRaft } from '../../consensus/hybrid/raft-forensics.js'
import type { FileSystem } from '../../storage/files.js'
import { isByzantine, type ProvenEpoch, walkPath } from '../../workflow/receipts/epochs.js'
import type { Receipt } from '../../workflow/receipts/receipt.js'
import { parseReceipt } from '../../workflow/receipts/receipt-file.js'
import { type Trust, verifyReceipt } from '../../workflow/receipts/verify.js'
import { chooseDiffLog } from '../logs/diff.js'
import type { Output } from '../printer.js'
import { readProof } from '../receipts/proof-file.js'
import { type LogSide, sideOfLog } from './sides.js'

export interface ForensicsReport {
  /** `agree`: no culprit needed. `uncertified`: one side has no quorum behind it, so it proves nothing. */
  readonly verdict: 'agree' | 'contradiction' | 'uncertified' | 'unknown'
  /** Null where they agree. */
  readonly index: number | null
  readonly culprits: readonly {
    readonly id: string
    readonly reason: Blame['culprits'][number]['reason']
    readonly evidenceId: string | null
  }[]
  /** In both quorums, f + 1 of them lied, and nothing at hand says which. */
  readonly suspects: readonly string[]
  readonly explanation: string
}

const RAFT_EPOCH =
  'Neither side holds two signatures of one member that contradict each other, so this convicts nobody: in a Raft epoch a later leader may replace what an earlier one left behind. `knhk log verify` says up to where each log is certified.'
const NOBODY = { culprits: [], suspects: [] } as const
const REASONS: Readonly<Record<Blame['culprits'][number]['reason'], string>> = {
  equivocation: 'signed two different statements where it may sign one',
  hiddenCertificate: 'committed an entry, and hid it in the view change that followed',
  brokenLock: 'voted against the block that it was locked on',
}

/** Logs are data directories, or with `dir` names of nodes; a file is a receipt. */
export async function forensics(
  trust: Trust,
  names: readonly [string, string],
  dir: string | undefined,
): Promise<ForensicsReport> {
  const [a, b] = [await receiptIn(names[0]), await receiptIn(names[1])]
  if (a !== null && b !== null) return ofReceipts(trust, a, b)
  if (a !== null || b !== null)
    throw new KnhkError('InvalidArgument', 'a receipt and a log cannot be compared: give two of one kind')
  return ofLogs(trust, names, dir)
}

async function receiptIn(name: string): Promise<Receipt | null> {
  const text = await readProof(name).catch(() => null)
  if (text === null) return null
  try {
    return parseReceipt(text)
  } catch (error) {
    throw error instanceof KnhkError && error.code === 'ProtocolViolation'
      ? new KnhkError('InvalidFile', `${name} is no receipt: ${error.message}`, { cause: error })
      : error
  }
}

async function ofLogs(
  trust: Trust,
  names: readonly [string, string],
  dir: string | undefined,
): Promise<ForensicsReport> {
  const { realFiles } = await import('../../storage/real-files.js')
  const logs = [await chooseDiffLog(names[0], dir), await chooseDiffLog(names[1], dir)] as const
  return ofLogFiles(realFiles(), trust, names, logs)
}

/** `logs`: their log directories, under the names for people. */
export async function ofLogFiles(
  files: FileSystem,
  trust: Trust,
  names: readonly [string, string],
  [a, b]: readonly [string, string],
): Promise<ForensicsReport> {
  const { compareLogs } = await import('../../storage/log-compare.js')
  const { partsAt, beforeCommonRange, differs } = await compareLogs(files, a, b)
  if (partsAt === null) return agreed()
  if (beforeCommonRange)
    return unknown(partsAt, 'They parted in what one of them has compacted away: the entries are gone.')
  if (differs.includes('unreadable'))
    return unknown(partsAt, 'An entry cannot be read: that is damage, not a lie. `knhk log verify` says where.')
  if (!isByzantine(trust.configuration))
    return unknown(partsAt, 'Plain Raft signs no entries: nobody can be convicted by a log.')
  const sideA = await sideOfLog(files, a, trust, partsAt)
  const sideB = await sideOfLog(files, b, trust, partsAt)
  return ofSides(trust, names, [sideA, sideB], partsAt)
}

function ofSides(
  trust: Trust,
  names: readonly [string, string],
  sides: readonly [LogSide, LogSide],
  index: number,
): ForensicsReport {
  for (const [at, { problem }] of sides.entries()) {
    if (problem === null) continue
    const explanation = `Entry ${index} of ${names[at]} is not certified (${problem}): no quorum ever stood behind it, so no member is convicted by it. It was changed by whoever can write there.`
    return { verdict: 'uncertified', index, ...NOBODY, explanation }
  }
  const [a, b] = sides
  const [first, second] = [a.entries[0], b.entries[0]]
  if (first === undefined || second === undefined || a.context === null || !contradicts(first, second))
    return unknown(index, 'The entries belong to different epochs: compare the logs up to where the epoch ended.')
  if (a.protocol === null) return ofRaftEpoch(trust, index, a, b)
  const newViews = [...a.newViews, ...b.newViews]
  return convicted(
    trust,
    a.protocol,
    a.context,
    newViews,
    [first, ...a.entries.slice(1)],
    [second, ...b.entries.slice(1)],
  )
}

/** Within one Raft epoch one liar is enough for two logs, and only what is signed twice proves one. */
function ofRaftEpoch(trust: Trust, index: number, { raft: a }: LogSide, { raft: b }: LogSide): ForensicsReport {
  const culprits = a === null || b === null ? [] : blameRaft(a.epoch, trust.holds, a.kept, b.kept)
  if (culprits.length === 0) return unknown(index, RAFT_EPOCH)
  const explanation = `The logs part at index ${index} of a Raft epoch, and each of these members signed both sides of it. The cluster bears f such members; \`knhk log verify\` says up to where each log is certified.`
  return { ...contradiction(trust, index, { culprits, suspects: [] }), explanation }
}

function convicted(
  trust: Trust,
  protocol: ProofRules['protocol'],
  context: EpochContext,
  newViews: Testimony['newViews'],
  a: Decided,
  b: Decided,
): ForensicsReport {
  const { sha256, holds, configuration } = trust
  const testimony = { sha256, holds, context, newViews, commitRule: configuration.settings.commitRule ?? 3 }
  const blamed = protocol === 'pbft' ? blamePbft(testimony, a, b) : blameHotStuff(testimony, a, b)
  return contradiction(trust, a[0].index, blamed)
}

function ofReceipts(trust: Trust, a: Receipt, b: Receipt): ForensicsReport {
  for (const receipt of [a, b]) {
    const { problem } = verifyReceipt(trust, receipt)
    if (problem === null) continue
    const explanation = `The receipt for index ${receipt.entry.index} does not hold: ${problem}. It proves nothing.`
    return { verdict: 'uncertified', index: receipt.entry.index, ...NOBODY, explanation }
  }
  const { index } = a.entry
  if (index !== b.entry.index) return agreed()
  const epoch = contradicts(a.entry, b.entry) ? epochsOf(trust, a)[a.entry.epoch] : undefined
  if (epoch !== undefined && epoch.mode !== 'raft')
    return convicted(trust, epoch.mode, epoch.context, [], [a.entry], [b.entry])
  return ofStatements(trust, a, b)
}

/** Both hold: where they claim different things of one entry, somebody signed what is not so. */
function ofStatements(trust: Trust, a: Receipt, b: Receipt): ForensicsReport {
  const [one, other] = [a.statements[0], b.statements[0]]
  if (one === undefined || other === undefined || one.type !== other.type) return agreed()
  if (bytesEqual(one.digest, other.digest) && bytesEqual(one.extra, other.extra)) return agreed()
  const { configuration, clusterConfigHash } = trust
  const sign = epochsOf(trust, a).at(-1)?.context.sign
  const context = sign ?? { clusterId: configuration.clusterId, configHash: clusterConfigHash }
  const culprits = blameStatements(context, a.statements, b.statements)
  const signers = new Set([...a.statements, ...b.statements].map(({ signer }) => signer))
  return contradiction(trust, a.entry.index, { culprits, suspects: culprits.length > 0 ? [] : [...signers] })
}

function epochsOf(trust: Trust, { steps }: Receipt): readonly ProvenEpoch[] {
  const path = walkPath(trust, steps)
  return typeof path === 'string' ? [] : path.epochs
}

function agreed(): ForensicsReport {
  const explanation = 'They do not contradict each other: no culprit needed.'
  return { verdict: 'agree', index: null, ...NOBODY, explanation }
}

function unknown(index: number, explanation: string): ForensicsReport {
  return { verdict: 'unknown', index, ...NOBODY, explanation }
}

function contradiction({ sha256 }: Trust, index: number, { culprits, suspects }: Blame): ForensicsReport {
  const explanation =
    culprits.length > 0
      ? `Both sides are certified at index ${index}: these members lied, more than the cluster tolerates.`
      : `Both sides are certified at index ${index}: more members lied than the cluster tolerates. What they signed in between, which would say who, is not at hand.`
  return {
    verdict: 'contradiction',
    index,
    culprits: culprits.map(({ id, reason, evidence }) => ({
      id,
      reason,
      evidenceId: evidence === null ? null : toHex(evidenceId(sha256, evidence)),
    })),
    suspects,
    explanation,
  }
}

export function forensicsOutput(report: ForensicsReport): Output {
  const { verdict, culprits, suspects, explanation } = report
  return {
    value: report,
    items: culprits,
    ids: culprits.map(({ id }) => id),
    text: ({ paint }) => {
      if (verdict === 'agree') return paint('green', explanation)
      const lines = culprits.map(({ id, reason }) => `  ${id} ${REASONS[reason]}`)
      if (suspects.length > 0) lines.push(`  suspects: ${suspects.join(', ')}`)
      return [paint('red', explanation), ...lines].join('\n')
    },
  }
}
