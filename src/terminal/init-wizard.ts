/**
 * The wizard of `cluster init`: the questions that matter, each checked when it is answered, then what will be made,
 * and only after a yes is it made.
 */

import { KnhkError } from '../base/error.js'
import {
  AVAILABLE_PROTOCOLS,
  DEFAULT_NODES,
  type InitOptions,
  localMembers,
  type MemberPlan,
  nodesMin,
} from '../cluster/init.js'
import { quorumArithmetic, toleranceText } from '../cluster/quorum-arithmetic.js'
import type { ProtocolName } from '../consensus/types.js'
import { parseMember } from './cluster-init.js'
import { parseCount } from './flags.js'

const NODES_MAX = 31
const DEFAULT_DIR = './knhk-cluster'
const ONE_ZONE = 'default'

export interface WizardOptions {
  /** What the environment says, as the answer that Enter gives. */
  readonly dir: string | null
  readonly signal: AbortSignal
  readonly note: (text: string) => void
}

interface Answers {
  readonly dir: string
  readonly nodes: string
  readonly zones: string
  readonly protocol: ProtocolName
}

/** Throws `Refused` where the answer to the last question is no. Ctrl-C throws the prompt's own error, reported as an interruption. */
export async function askInitOptions({ dir, signal, note }: WizardOptions): Promise<InitOptions> {
  const { default: inquirer } = await import('inquirer')
  const prompt = inquirer.createPromptModule({ output: process.stderr, signal })
  const answers = await prompt<Answers>([
    { type: 'input', name: 'dir', message: 'Directory of the cluster', default: dir ?? DEFAULT_DIR },
    {
      type: 'input',
      name: 'nodes',
      message: 'Number of nodes on this machine, or ID=HOST:PORT, ID=HOST:PORT, …',
      default: String(DEFAULT_NODES),
      validate: (text: string) => complaintOf(() => parseNodes(text)),
    },
    {
      type: 'input',
      name: 'zones',
      message: 'Zones: one name for each node, or Enter for a single zone',
      validate: (text: string, so: Partial<Answers> = {}) =>
        complaintOf(() => withZones(parseNodes(so.nodes ?? String(DEFAULT_NODES)), text)),
    },
    {
      type: 'select',
      name: 'protocol',
      message: 'Protocol',
      // What these nodes cannot run is not offered.
      choices: (so: Partial<Answers> = {}) =>
        AVAILABLE_PROTOCOLS.filter((name) => parseNodes(so.nodes ?? '').length >= nodesMin(name)).map((name) => ({
          name,
          value: name,
        })),
    },
  ])
  const members = withZones(parseNodes(answers.nodes), answers.zones)
  note(planText(answers, members))
  const { yes } = await prompt<{ yes: boolean }>([{ type: 'confirm', name: 'yes', message: 'Make it?', default: true }])
  if (!yes) throw new KnhkError('Refused', 'not confirmed; nothing was made')
  return { dir: answers.dir, protocol: answers.protocol, members }
}

function planText({ dir, protocol }: Answers, members: readonly MemberPlan[]): string {
  const lines = members.map(
    ({ id, address, zone }) =>
      `  ${id}  ${address ?? 'a free port of 127.0.0.1'}${zone === null ? '' : `  zone ${zone}`}`,
  )
  const voters = members.map(({ id, zone }) => ({ id, zone: zone ?? ONE_ZONE }))
  const { quorum, failuresTolerated } = quorumArithmetic(voters, protocol)
  const text = `a quorum is ${quorum} of ${members.length}, ${toleranceText(failuresTolerated)}`
  return [`In ${dir}, deciding by ${protocol}:`, ...lines, `  ${text}`].join('\n')
}

/** Throws `InvalidArgument`. */
function parseNodes(text: string): MemberPlan[] {
  const trimmed = text.trim()
  if (!trimmed.includes('=')) return localMembers(parseCount(trimmed, 1, NODES_MAX))
  return splitWords(trimmed).map(parseMember)
}

/** Throws `InvalidArgument` unless there are as many zones as members, or none. */
function withZones(members: readonly MemberPlan[], text: string): MemberPlan[] {
  const zones = splitWords(text)
  if (zones.length === 0) return [...members]
  if (zones.length !== members.length) {
    throw new KnhkError('InvalidArgument', `${zones.length} zones for ${members.length} nodes`)
  }
  return members.map((member, i) => ({ ...member, zone: zones[i] as string }))
}

function splitWords(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '')
}

function complaintOf(check: () => unknown): true | string {
  try {
    check()
    return true
  } catch (error) {
    return error instanceof Error ? error.message : 'not valid'
  }
}
