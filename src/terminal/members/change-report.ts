/** What the commands that change the members print, dry runs included. */
import type { ChangeStep } from '../../cluster/change-goals.js'
import { arithmeticText, type QuorumArithmetic, quorumArithmetic, type Voter } from '../../cluster/quorum-arithmetic.js'
import type { ProtocolName } from '../../consensus/types.js'
import type { Output } from '../printer.js'
import * as schema from '../schema.js'

const ZONES_SCHEMA = schema.list(schema.record({ zone: schema.text, voters: schema.integer, mayFail: schema.flag }))
/** Fields of the quorum arithmetic of one configuration. */
export const ARITHMETIC_FIELDS = {
  voters: schema.list(schema.text),
  quorum: schema.integer,
  failuresTolerated: schema.integer,
  zones: ZONES_SCHEMA,
}
export const STEPS_SCHEMA = schema.list(
  schema.record({
    action: schema.text,
    nodes: schema.list(schema.text),
    text: schema.text,
    ...ARITHMETIC_FIELDS,
  }),
)
const maybeText = schema.nullable(schema.text)

export const CHANGE_SCHEMA = schema.record({
  changed: schema.flag,
  dryRun: schema.flag,
  index: schema.integer,
  ...ARITHMETIC_FIELDS,
  steps: STEPS_SCHEMA,
  added: schema.list(
    schema.record({
      id: schema.text,
      address: maybeText,
      zone: maybeText,
      publicKey: maybeText,
      pid: schema.nullable(schema.integer),
      dataDir: maybeText,
      logFile: maybeText,
    }),
  ),
  removed: schema.list(
    schema.record({ id: schema.text, pid: schema.nullable(schema.integer), outcome: maybeText, dataDir: maybeText }),
  ),
  next: schema.list(schema.text),
  elapsedMs: schema.integer,
})

export interface AddedReport {
  readonly id: string
  readonly address: string | null
  readonly zone: string | null
  /** Base64. */
  readonly publicKey: string | null
  /** Null where the node is elsewhere, or not made yet. */
  readonly pid: number | null
  readonly dataDir: string | null
  readonly logFile: string | null
}

export interface RemovedReport {
  readonly id: string
  readonly pid: number | null
  /** What came of its process; null where that is elsewhere. */
  readonly outcome: string | null
  /** Kept. */
  readonly dataDir: string | null
}

export interface ChangeReport {
  /** False where all was so already. */
  readonly changed: boolean
  readonly dryRun: boolean
  readonly protocol: ProtocolName
  /** Of the entry that brought the configuration in force. */
  readonly index: number
  /** The voters before and, unless it is a dry run, after. */
  readonly before: readonly Voter[]
  readonly after: readonly Voter[]
  readonly steps: readonly ChangeStep[]
  readonly added: readonly AddedReport[]
  readonly removed: readonly RemovedReport[]
  /** What is left to do for people. */
  readonly next: readonly string[]
  readonly elapsedMs: number
}

export function changeOutput(report: ChangeReport): Output {
  const { before, after, protocol, ...fields } = report
  const arithmetic: QuorumArithmetic = quorumArithmetic(after, protocol)
  const { changed, dryRun, index, ...rest } = fields
  return {
    value: { changed, dryRun, index, ...arithmetic, ...rest },
    ids: [...report.added, ...report.removed].map(({ id }) => id),
    text: ({ fields: lines }) => {
      const steps = report.steps.map(({ text }, at) => `${at + 1}. ${text}`)
      if (dryRun) return [...(steps.length === 0 ? ['there is nothing to change'] : steps), ...report.next].join('\n')
      const head = lines([
        [
          'members',
          changed ? arithmeticText(quorumArithmetic(before, protocol), arithmetic, protocol) : 'are so already',
        ],
        ['configuration', `entry ${index}`],
        ['after', `${report.elapsedMs} ms`],
      ])
      const added = report.added.map(({ id, address, dataDir, pid }) =>
        dataDir === null ? `${id} at ${address}` : `${id} at ${address}, pid ${pid}, data in ${dataDir}`,
      )
      const removed = report.removed.flatMap(({ id, dataDir }) =>
        dataDir === null ? [] : [`the data of ${id} is kept in ${dataDir}`],
      )
      return [head, ...added, ...removed, ...report.next].join('\n')
    },
  }
}

/** What the operator of another host has to do to bring a newcomer up there. */
export function hostInstructions(member: {
  readonly id: string
  readonly address: string
  readonly zone: string
  readonly publicKey: string
}): string[] {
  const { id, address, zone, publicKey } = member
  return [
    `on the host of ${id}: add to \`members\` of its cluster file: { id: ${id}, publicKey: "${publicKey}", address: "${address}", zone: ${zone}, joined: true }`,
    `on the host of ${id}: knhk node start --init --node ${id} --cluster FILE --key KEY --data-dir DIR`,
  ]
}
