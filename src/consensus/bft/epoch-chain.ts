/**
 * From the members in the cluster file to those of any later epoch, offline: every change of members is
 * a decided entry, and the state after it was certified by those who decided it. Who knows the genesis
 * members and has these steps knows every epoch's keys, and from which index on they count.
 */
import { type ByteReader, type ByteWriter, bytesEqual } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { computeBatchDigest } from '../batch-digest.js'
import { type Entry, GENESIS_CHAIN } from '../entry.js'
import { decodeMembership, type Membership } from '../membership.js'
import type { Epoch, LogIndex } from '../types.js'
import {
  type Certificate,
  certificateChecks,
  certificateProblem,
  readCertificate,
  writeCertificate,
} from './certificate.js'
import type { SignatureCheck } from './checks.js'
import { readEntry, writeEntry } from './entry-codec.js'
import { entryProof, headerProblem, type ProofRules } from './entry-proof.js'
import type { EpochStep } from './epoch.js'
import { EpochContext, type EpochPorts } from './epoch.js'
import { decodeInit } from './init.js'
import { REPLICAS_MIN, Replicas } from './replicas.js'

export type { EpochStep } from './epoch.js'

/** Steps in one receipt or one file of evidence. */
export const CHAIN_STEPS_MAX = 256

export interface EpochChain {
  /** Of epoch 0 and of every one that the steps lead to; the index is the epoch. */
  readonly contexts: readonly EpochContext[]
  /** All of them must hold. */
  readonly checks: readonly SignatureCheck[]
}

/** Walks the steps from genesis on; a text says what is wrong with them. Throws `ProtocolViolation`. */
export function walkEpochs(
  ports: EpochPorts,
  rules: ProofRules,
  genesis: Membership,
  steps: readonly EpochStep[],
): EpochChain | string {
  const start = 0 as LogIndex
  const origin = { index: start, chain: GENESIS_CHAIN, timestampMs: 0 }
  let context = new EpochContext(ports, 0 as Epoch, origin, { index: start, membership: genesis })
  const contexts = [context]
  const checks: SignatureCheck[] = []
  for (const { entry, checkpoint } of steps) {
    const proof = stepProof(ports, rules, context, entry, checkpoint)
    if (typeof proof === 'string') return proof
    checks.push(...proof)
    const record = { index: entry.index, membership: decodeMembership(entry.body) }
    if (record.membership.joint || new Replicas(record.membership).count < REPLICAS_MIN)
      return 'no such members can decide'
    context = new EpochContext(ports, (context.epoch + 1) as Epoch, entry, record)
    contexts.push(context)
  }
  return { contexts, checks }
}

function stepProof(
  { sha256 }: EpochPorts,
  rules: ProofRules,
  context: EpochContext,
  entry: Entry,
  checkpoint: Certificate,
): SignatureCheck[] | string {
  if (entry.kind !== 'membership') return 'only a change of members ends an epoch'
  if (entry.epoch !== context.epoch || entry.index <= context.origin.index) return 'the epochs do not follow each other'
  if (!bytesEqual(computeBatchDigest(sha256, 'membership', entry.body), entry.batchDigest))
    return 'the members are not those that were decided'
  const proof = headerProblem(sha256, entry) ?? entryProof(sha256, rules, context, entry)
  if (typeof proof === 'string') return proof
  const { statement } = checkpoint
  const { mode, type, epoch, view, sequence, extra } = statement
  if (mode !== rules.protocol || type !== 'checkpoint' || epoch !== context.epoch || view !== 0)
    return 'what ends the epoch is no checkpoint of it'
  if (sequence !== entry.index || !bytesEqual(extra, entry.chain)) return 'the checkpoint is of another entry'
  const problem = certificateProblem(context.replicas, checkpoint)
  return problem ?? [...proof, ...certificateChecks(context.sign, context.replicas, checkpoint)]
}

/**
 * The step from one epoch to the next, from the two entries of the log between which it lies: the change
 * of members, and INIT behind it, which rests on the checkpoint. Null where these are not two such
 * entries. Throws `ProtocolViolation`.
 */
export function stepBetween(last: Entry, init: Entry): EpochStep | null {
  if (last.kind !== 'membership' || init.kind !== 'mode' || init.epoch !== last.epoch + 1) return null
  const { basis } = decodeInit(init.body)
  return basis.kind === 'checkpoint' ? { entry: last, checkpoint: basis.certificate } : null
}

export function writeChain(out: ByteWriter, steps: readonly EpochStep[]): void {
  out.u16(steps.length)
  for (const { entry, checkpoint } of steps) {
    writeEntry(out, entry)
    writeCertificate(out, checkpoint)
  }
}

/** Throws `ProtocolViolation`. */
export function readChain(reader: ByteReader): EpochStep[] {
  const count = reader.u16()
  if (count > CHAIN_STEPS_MAX) throw new KnhkError('ProtocolViolation', `at most ${CHAIN_STEPS_MAX} changes of members`)
  return Array.from({ length: count }, () => ({ entry: readEntry(reader), checkpoint: readCertificate(reader) }))
}
