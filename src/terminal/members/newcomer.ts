/** Who joins, from the flags that say it. */

import { KnhkError } from '../../base/error.js'
import { parseAddress } from '../../cluster/address.js'
import type { Newcomer } from '../../cluster/change-goals.js'
import { readKey, splitPair } from '../cluster-init.js'

export interface PlaceFlags {
  readonly address?: string | undefined
  readonly 'public-key'?: string | undefined
  readonly zone?: string | undefined
}

/** Throws `InvalidArgument` for an address or key that is none, `Usage` for a key without an address. */
export async function newcomer(id: string, flags: PlaceFlags, learner: boolean): Promise<Newcomer> {
  if (flags.address !== undefined) parseAddress(flags.address)
  const publicKey = await admissibleKey(flags['public-key'])
  if (publicKey !== null && flags.address === undefined) {
    throw new KnhkError('Usage', 'missing: --address', {
      hint: 'A node with a key of its own is somewhere: say where.',
    })
  }
  return { id, address: flags.address ?? null, publicKey, zone: flags.zone ?? null, learner }
}

export interface ManyPlaceFlags {
  /** `ID` or `ID=HOST:PORT`. */
  readonly add: readonly string[]
  readonly 'member-key': readonly string[]
  readonly zone: readonly string[]
  readonly learner: readonly string[]
}

/** Several newcomers, as `members plan` takes them. Throws as `newcomer` does. */
export async function newcomers(flags: ManyPlaceFlags): Promise<Newcomer[]> {
  const places = flags.add.map((text): [string, string | undefined] =>
    text.includes('=') ? splitPair(text, '--add') : [text, undefined],
  )
  const ids = places.map(([id]) => id)
  const keys = valuesOf(flags['member-key'], '--member-key', ids)
  const zones = valuesOf(flags.zone, '--zone', ids)
  for (const id of flags.learner) requireJoining(id, '--learner', ids)
  return Promise.all(
    places.map(([id, address]) =>
      newcomer(id, { address, 'public-key': keys.get(id), zone: zones.get(id) }, flags.learner.includes(id)),
    ),
  )
}

function valuesOf(texts: readonly string[], flag: string, ids: readonly string[]): Map<string, string> {
  const values = new Map(texts.map((text) => splitPair(text, flag)))
  for (const id of values.keys()) requireJoining(id, flag, ids)
  return values
}

function requireJoining(id: string, flag: string, ids: readonly string[]): void {
  if (!ids.includes(id)) throw new KnhkError('InvalidArgument', `${flag}: ${JSON.stringify(id)} is not among --add`)
}

/** A key that every node takes: canonical, not of small order. */
export async function admissibleKey(text: string | undefined): Promise<Uint8Array | null> {
  const key = await readKey(text)
  if (key === null) return null
  const { publicKeyProblem } = await import('../../crypto/pure/public-key.js')
  const problem = publicKeyProblem(key)
  if (problem !== null) throw new KnhkError('InvalidArgument', `this public key cannot be used: ${problem}`)
  return key
}

/** `n2` is followed by `n2-2`, that by `n2-3`: the same for who asks again after an interruption. */
export function successorOf(id: string): string {
  const match = /^(.*)-(\d{1,6})$/.exec(id)
  return match === null ? `${id}-2` : `${match[1]}-${Number(match[2]) + 1}`
}
