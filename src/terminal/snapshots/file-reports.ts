/** `snapshot inspect` and `snapshot verify`: what a snapshot file says of itself, and whether it holds. */
import { resolve } from 'node:path'
import { fromHex } from '../../base/bytes.js'
import type { InspectedSnapshot, VerifiedSnapshot } from '../../storage/snapshot-tools.js'
import { uuidFromBytes } from '../../workflow/uuid.js'
import type { Output } from '../printer.js'
import { formatLocalTime } from '../times.js'

const SPACE_NAMES: Readonly<Record<string, string>> = {
  '\x10': 'cases',
  '\x11': 'case histories',
  '\x12': 'keys and values',
  '\x40': 'machine',
  '\x41': 'clients',
  '\x42': 'sessions',
  '\x80': 'cases by state',
  '\x81': 'cases by spec',
  '\x82': 'cases by time',
}

export interface SnapshotReport {
  readonly file: string
  readonly id: string
  readonly clusterId: string
  readonly index: number
  readonly epoch: number
  readonly term: number
  readonly chain: string
  readonly timestampMs: number
  /** Index and members of the configuration in force; null for the one of the beginning. */
  readonly membership: {
    readonly index: number
    readonly members: readonly { readonly id: string; readonly address: string; readonly role: string }[]
  } | null
  readonly stateDigest: string
  readonly dataDigest: string
  readonly bytes: number
  readonly pairs: number
  readonly spaces: readonly { readonly name: string; readonly pairs: number; readonly bytes: number }[]
}

/** Throws `NotFound`, `Corrupt`, `UnsupportedFormat`. */
export async function inspectFile(path: string): Promise<SnapshotReport> {
  const file = resolve(path)
  const [{ inspectSnapshot }, { realFiles }] = await Promise.all([
    import('../../storage/snapshot-tools.js'),
    import('../../storage/real-files.js'),
  ])
  return reportOf(file, await inspectSnapshot(realFiles(), file))
}

function reportOf(file: string, inspected: InspectedSnapshot): SnapshotReport {
  const { base, id, clusterId, stateDigest, dataDigest, bytes, pairs, keySpaces } = inspected
  const { index, epoch, term, chain, timestampMs, membership } = base
  return {
    file,
    id,
    clusterId: uuidFromBytes(fromHex(clusterId)),
    index,
    epoch,
    term,
    chain,
    timestampMs,
    membership:
      membership === null
        ? null
        : {
            index: membership.index,
            members: membership.membership.members.map(({ id: member, address, role }) => ({
              id: member,
              address,
              role,
            })),
          },
    stateDigest,
    dataDigest,
    bytes,
    pairs,
    spaces: keySpaces.map((space) => ({
      name: SPACE_NAMES[space.prefix] ?? `space ${space.prefix.charCodeAt(0)}`,
      pairs: space.pairs,
      bytes: space.bytes,
    })),
  }
}

export function inspectedOutput(report: SnapshotReport): Output {
  return {
    value: report,
    ids: [report.id],
    text: async ({ fields, table }) => {
      const head = fields([
        ['snapshot', report.id],
        ['cluster', report.clusterId],
        ['index', report.index],
        ['epoch', report.epoch],
        ['term', report.term],
        ['log time', formatLocalTime(report.timestampMs)],
        ['chain', report.chain],
        ['members', report.membership?.members.map(({ id }) => id).join(', ') ?? 'those of the beginning'],
        ['state digest', report.stateDigest],
        ['data digest', report.dataDigest],
        ['bytes', report.bytes],
      ])
      const rows = report.spaces.map(({ name, pairs, bytes }) => [name, pairs, bytes])
      return `${head}\n${await table(['holds', 'pairs', 'bytes'], rows)}`
    },
  }
}

export interface VerifiedFile extends VerifiedSnapshot {
  readonly file: string
}

/** Throws `NotFound`, `UnsupportedFormat`. */
export async function verifyFile(path: string): Promise<VerifiedFile> {
  const file = resolve(path)
  const [{ verifySnapshot }, { realFiles }] = await Promise.all([
    import('../../storage/snapshot-tools.js'),
    import('../../storage/real-files.js'),
  ])
  return { file, ...(await verifySnapshot(realFiles(), file)) }
}

export function verifiedOutput(verified: VerifiedFile): Output {
  return {
    value: verified,
    items: verified.problems.map((problem) => ({ problem })),
    ids: verified.id === null ? [] : [verified.id],
    text: ({ fields, paint }) =>
      fields([
        ['snapshot', verified.ok ? paint('green', 'sound') : paint('red', 'damaged')],
        ['id', verified.id],
        ...verified.problems.map((problem) => ['problem', problem] as const),
      ]),
  }
}
