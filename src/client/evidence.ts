/**
 * Collects evidence from all members that can be reached. Every piece proves itself or is left out, so
 * that no liar can accuse anybody; that a piece was ordered counts when f + 1 members say so.
 */
import { ByteReader, toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { decodeEvidence, evidenceId } from '../consensus/bft/evidence.js'
import { byzantineFaults } from '../consensus/quorum.js'
import { readPath } from '../workflow/receipts/epochs.js'
import type { EvidenceFile } from '../workflow/receipts/receipt-file.js'
import type { Trust } from '../workflow/receipts/verify.js'
import { evidenceVerdict } from '../workflow/receipts/verify-evidence.js'
import type { CallOptions, Client } from './api.js'

export interface FoundEvidence {
  /** Hex. */
  readonly id: string
  readonly file: EvidenceFile
  /** Of the entry that ordered it, as f + 1 members say; null for none. */
  readonly index: number | null
  /** Members that keep it. */
  readonly holders: readonly string[]
}

type Asked = Pick<Client, 'query' | 'clusterStatus'>

interface Said {
  readonly member: string
  readonly id: string
  readonly index: number | null
  readonly kept: boolean
}

/** Pieces that one member may name; more than any keeps and orders in a page. */
const PER_MEMBER_MAX = 10_000

/** In the order of their ids. Throws `Unreachable` where no member answers. */
export async function collectEvidence(client: Asked, trust: Trust, options: CallOptions): Promise<FoundEvidence[]> {
  const ids = await reachable(client, options)
  const said = (await answersOf(ids, (member) => listOf(client, member, options))).flat()
  const found: FoundEvidence[] = []
  for (const id of [...new Set(said.map((one) => one.id))].sort()) {
    const about = said.filter((one) => one.id === id)
    const file = await firstThatHolds(
      client,
      trust,
      about.map(({ member }) => member),
      id,
      options,
    )
    if (file === null) continue
    const holders = about.filter(({ kept }) => kept).map(({ member }) => member)
    found.push({ id, file, index: agreedIndex(trust, about), holders })
  }
  return found
}

/** One piece. Throws `NotFound` where no member gives one that holds. */
export async function fetchEvidence(
  client: Asked,
  trust: Trust,
  id: string,
  options: CallOptions,
): Promise<EvidenceFile> {
  const file = await firstThatHolds(client, trust, await reachable(client, options), id, options)
  if (file !== null) return file
  throw new KnhkError('NotFound', `no member gave evidence ${id} that holds`, {
    hint: '`knhk evidence list` names what there is.',
    details: { id },
  })
}

async function reachable(client: Asked, options: CallOptions): Promise<string[]> {
  const { nodes } = await client.clusterStatus(options)
  const up = nodes.filter((node) => node.reachable).map((node) => node.id)
  if (up.length > 0) return up
  const error = nodes[0]?.error
  throw new KnhkError(error?.code ?? 'Unreachable', error?.message ?? 'no member can be reached')
}

async function listOf(client: Asked, member: string, options: CallOptions): Promise<Said[]> {
  const said: Said[] = []
  let cursor: unknown = null
  do {
    const { value } = await client.query('evidence.list', { cursor }, { ...options, read: 'local', node: member })
    const page = recordOf(value)
    if (!Array.isArray(page.evidence)) throw unreadable()
    for (const row of page.evidence.map(recordOf)) {
      const { id, index, kept } = row
      said.push({ member, id: String(id), index: typeof index === 'number' ? index : null, kept: kept === true })
    }
    cursor = page.cursor ?? null
  } while (cursor !== null && said.length < PER_MEMBER_MAX)
  return said
}

async function firstThatHolds(
  client: Asked,
  trust: Trust,
  members: readonly string[],
  id: string,
  options: CallOptions,
): Promise<EvidenceFile | null> {
  const ask = async (member: string): Promise<EvidenceFile | null> => {
    const { value } = await client.query('evidence.get', { id }, { ...options, read: 'local', node: member })
    const { evidence, steps } = recordOf(value)
    if (!(evidence instanceof Uint8Array) || !(steps instanceof Uint8Array)) throw unreadable()
    const file = { clusterId: trust.configuration.clusterId, evidence: decodeEvidence(evidence), steps: stepsIn(steps) }
    const isMeant = toHex(evidenceId(trust.sha256, file.evidence)) === id
    return isMeant && evidenceVerdict(trust, file) === null ? file : null
  }
  for (const member of members) {
    const [file] = await answersOf([member], ask)
    if (file !== undefined && file !== null) return file
  }
  return null
}

/** What those say who answer properly; the others are passed over. */
async function answersOf<T>(members: readonly string[], ask: (member: string) => Promise<T>): Promise<T[]> {
  const outcomes = await Promise.allSettled(members.map(ask))
  return outcomes.flatMap((outcome) => {
    if (outcome.status === 'fulfilled') return [outcome.value]
    // A lying member may answer with anything; cancelling is no answer.
    if (
      outcome.reason instanceof KnhkError ? outcome.reason.code === 'Aborted' : !(outcome.reason instanceof TypeError)
    )
      throw outcome.reason
    return []
  })
}

function agreedIndex({ configuration }: Trust, said: readonly Said[]): number | null {
  const needed = byzantineFaults(configuration.members.length) + 1
  for (const { index } of said)
    if (index !== null && said.filter((other) => other.index === index).length >= needed) return index
  return null
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw unreadable()
  return value as Readonly<Record<string, unknown>>
}

function unreadable(): KnhkError {
  return new KnhkError('ProtocolViolation', 'a member answered with something else than evidence')
}

function stepsIn(bytes: Uint8Array): EvidenceFile['steps'] {
  const reader = new ByteReader(bytes)
  const steps = readPath(reader)
  reader.end()
  return steps
}
