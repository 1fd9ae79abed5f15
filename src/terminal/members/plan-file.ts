/**
 * A planned change of members in a file: made on one day, looked at by others, applied on another, and
 * refused where the members have changed meanwhile. JSON, read strictly: a change of who decides is not
 * guessed at.
 */
import { readFile, stat } from 'node:fs/promises'
import { KnhkError } from '../../base/error.js'
import type { ChangeStep, MemberChange, Newcomer } from '../../cluster/change-goals.js'
import { fileError, writeFileAtomically } from '../../cluster/files.js'
import { formatPublicKey, parsePublicKey } from '../../crypto/key-encoding.js'

const FORMAT = 'knhk/members-plan/1'
const FILE_BYTES_MAX = 1024 * 1024
const FIELDS = ['format', 'clusterId', 'index', 'add', 'promote', 'remove', 'steps']
const NEWCOMER_FIELDS = ['id', 'address', 'publicKey', 'zone', 'learner']

export interface MembersPlan {
  /** UUID. */
  readonly clusterId: string
  /** Of the configuration that it was made against. */
  readonly index: number
  readonly change: MemberChange
}

/** The plan as JSON; `steps` is for people and not read back. */
export function planJson({ clusterId, index, change }: MembersPlan, steps: readonly ChangeStep[]) {
  const { add, promote, remove } = change
  return {
    format: FORMAT,
    clusterId,
    index,
    add: add.map(({ publicKey, ...rest }) => ({
      ...rest,
      publicKey: publicKey === null ? null : formatPublicKey(publicKey),
    })),
    promote,
    remove,
    steps,
  }
}

export async function writePlan(path: string, plan: ReturnType<typeof planJson>): Promise<void> {
  await writeFileAtomically(path, `${JSON.stringify(plan, null, 2)}\n`)
}

/** Throws `NotFound`, or `InvalidFile` that says what is wrong. */
export async function readPlan(path: string): Promise<MembersPlan> {
  let text: string
  try {
    if ((await stat(path)).size > FILE_BYTES_MAX) throw invalid(path, `it is over ${FILE_BYTES_MAX} bytes`)
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw cause instanceof KnhkError ? cause : fileError(path, 'read', cause)
  }
  return parsePlan(path, text)
}

function parsePlan(path: string, text: string): MembersPlan {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new KnhkError('InvalidFile', `${path} is no plan: it is not JSON`, { cause })
  }
  const fields = recordOf(path, value, FIELDS)
  if (fields.format !== FORMAT) throw invalid(path, `its format is not ${FORMAT}`)
  const { clusterId, index, add, promote, remove } = fields
  if (typeof clusterId !== 'string') throw invalid(path, 'it names no cluster')
  if (!Number.isSafeInteger(index) || (index as number) < 0) throw invalid(path, 'its index is no log index')
  if (!Array.isArray(add) || !isTexts(promote) || !isTexts(remove))
    throw invalid(path, 'its lists are not as they are written')
  return {
    clusterId,
    index: index as number,
    change: { add: add.map((one) => newcomerOf(path, one)), promote, remove },
  }
}

function newcomerOf(path: string, value: unknown): Newcomer {
  const { id, address, publicKey, zone, learner } = recordOf(path, value, NEWCOMER_FIELDS)
  const areSound = typeof id === 'string' && isTextOrNull(address) && isTextOrNull(publicKey) && isTextOrNull(zone)
  if (!areSound || typeof learner !== 'boolean') throw invalid(path, 'a member in it cannot be read')
  return { id, address, zone, learner, publicKey: publicKey === null ? null : parsePublicKey(publicKey) }
}

function recordOf(path: string, value: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(path, 'it is no record')
  const unknown = Object.keys(value).find((name) => !names.includes(name))
  if (unknown !== undefined) throw invalid(path, `${JSON.stringify(unknown)} is unknown`)
  return value as Readonly<Record<string, unknown>>
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}

function invalid(path: string, why: string): KnhkError {
  return new KnhkError('InvalidFile', `${path} is no plan: ${why}`, { details: { path } })
}
