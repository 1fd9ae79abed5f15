/**
 * The policies in force: records in the data space, so that they belong to the data of a cluster, with
 * one more that lists their ids, so that a restart finds them; and what follows from them, kept in
 * memory: the meet of all lattice policies, and the rules in the order of their ids.
 */
import { assert } from '../../base/assert.js'
import { ByteReader, ByteWriter, fromUtf8, toUtf8 } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { POLICY_SPACE, type StatePort } from '../state-keys.js'
import { doctrineExcess } from './doctrine.js'
import { meet, type NormalPolicy, normalPolicy, TOP } from './lattice.js'
import type { DoctrineRule, Policy } from './policy.js'
import { decodePolicy, encodePolicy } from './policy-json.js'

const VERSION = 1
const LIST_KEY = `${POLICY_SPACE}\0`
/** Behind the list: ids begin with a letter or digit. */
export const POLICIES_FROM = `${POLICY_SPACE}\x01`

export interface PolicyRecord {
  readonly policy: Policy
  /** Where in the log it was applied. */
  readonly index: number
  readonly position: number
  readonly atMs: number
  /** Key of the client, 32 bytes. */
  readonly actor: Uint8Array
}

export interface RuleInForce {
  readonly id: string
  readonly rule: DoctrineRule
}

export class PolicyTable {
  readonly #state: StatePort
  readonly #records = new Map<string, PolicyRecord>()
  #effective: NormalPolicy = TOP
  #rules: readonly RuleInForce[] = []

  /** Reads what the state holds. Throws `Corrupt`. */
  constructor(state: StatePort) {
    this.#state = state
    const list = state.get(LIST_KEY)
    if (list === undefined) return
    for (const id of decodeList(list)) {
      const record = state.get(POLICY_SPACE + id)
      if (record === undefined) throw new KnhkError('Corrupt', 'a policy is listed that is not there')
      this.#records.set(id, decodePolicyRecord(record))
    }
    this.#derive()
  }

  get size(): number {
    return this.#records.size
  }

  /** The meet of all lattice policies in force. */
  get effective(): NormalPolicy {
    return this.#effective
  }

  /** All rules, those that are not yet or no longer effective too, in order of their ids. */
  get rules(): readonly RuleInForce[] {
    return this.#rules
  }

  has(id: string): boolean {
    return this.#records.has(id)
  }

  /** Ids of the policies that have a say in the effective policy. */
  sources(): readonly { readonly id: string; readonly policy: NormalPolicy }[] {
    return this.#sorted().flatMap(([id, { policy }]) =>
      policy.type === 'Rule' ? [] : [{ id, policy: normalPolicy(policy) }],
    )
  }

  put(id: string, record: PolicyRecord): void {
    const isNew = !this.#records.has(id)
    this.#records.set(id, record)
    this.#state.put(POLICY_SPACE + id, encodePolicyRecord(record))
    if (isNew) this.#writeList()
    this.#derive()
  }

  delete(id: string): void {
    this.#records.delete(id)
    this.#state.delete(POLICY_SPACE + id)
    this.#writeList()
    this.#derive()
  }

  #writeList(): void {
    const ids = this.#sorted().map(([id]) => id)
    if (ids.length === 0) {
      this.#state.delete(LIST_KEY)
      return
    }
    const out = new ByteWriter(256).u8(VERSION).u16(ids.length)
    for (const id of ids) out.u8(id.length).raw(toUtf8(id))
    this.#state.put(LIST_KEY, out.finish())
  }

  #sorted(): [string, PolicyRecord][] {
    return [...this.#records].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  #derive(): void {
    this.#effective = this.sources()
      .map(({ policy }) => policy)
      .reduce(meet, TOP)
    assert(doctrineExcess(this.#effective) === null, 'the meet of policies within the doctrine is within it')
    this.#rules = this.#sorted().flatMap(([id, { policy }]) => (policy.type === 'Rule' ? [{ id, rule: policy }] : []))
  }
}

/** u8 version, u64 index, u32 position, u64 time, 32 bytes client key, the policy as `encodePolicy` writes it. */
function encodePolicyRecord({ policy, index, position, atMs, actor }: PolicyRecord): Uint8Array {
  const out = new ByteWriter(256).u8(VERSION).u64(index).u32(position).u64(atMs).raw(actor)
  return out.bytes(encodePolicy(policy)).finish()
}

/** Throws `Corrupt`. */
export function decodePolicyRecord(bytes: Uint8Array): PolicyRecord {
  return uncorrupted(() => {
    const reader = new ByteReader(bytes)
    const version = reader.u8()
    const place = { index: reader.u64(), position: reader.u32(), atMs: reader.u64(), actor: reader.raw(32).slice() }
    const policy = decodePolicy(reader.bytes())
    reader.end()
    if (version !== VERSION) throw new KnhkError('Corrupt', 'a policy record has an unknown version')
    return { policy, ...place }
  })
}

function decodeList(bytes: Uint8Array): string[] {
  return uncorrupted(() => {
    const reader = new ByteReader(bytes)
    const version = reader.u8()
    const ids = Array.from({ length: reader.u16() }, () => fromUtf8(reader.raw(reader.u8())))
    reader.end()
    if (version !== VERSION) throw new KnhkError('Corrupt', 'the list of policies has an unknown version')
    return ids
  })
}

/** What the state holds was valid once: where it is not now, it is damaged. */
function uncorrupted<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof KnhkError && error.code === 'Corrupt') throw error
    throw new KnhkError('Corrupt', 'the stored policies are malformed', { cause: error })
  }
}
