/**
 * Approvals: what a signer states about one operation, and the memory of those that were used. The
 * statement names the cluster, the operation by its digest, the policy and when it ends, so it is good
 * for nothing else; each is used once. It is forgotten when it has expired: then time refuses it.
 */
import { ByteWriter, toUtf8 } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import type { Sha256 } from '../../consensus/entry.js'
import type { Principal } from '../roles.js'
import { binaryString, readU64Key, type StatePort, USED_APPROVAL_SPACE, u64Key } from '../state-keys.js'
import { APPROVAL_EXPIRIES_PER_ENTRY_MAX, USED_APPROVALS_MAX } from './limits.js'
import type { Approval } from './operation.js'

const USED_KEY_CHARS = 41
const NOTHING = new Uint8Array(0)

/** Names an operation by its bytes; 32 bytes. */
export function operationDigest(sha256: Sha256, operation: Uint8Array): Uint8Array {
  return sha256(new ByteWriter(64 + operation.length).text('knhk/operation/1').raw(operation).finish())
}

/** What the signature of an approval is over. `clusterId` has 16 bytes, `digest` 32. */
export function approvalStatement(
  clusterId: Uint8Array,
  digest: Uint8Array,
  { policyId, expiresAtMs }: Pick<Approval, 'policyId' | 'expiresAtMs'>,
): Uint8Array {
  const out = new ByteWriter(192).text('knhk/approval/1').raw(clusterId).raw(digest)
  return out.bytes(toUtf8(policyId)).u64(expiresAtMs).finish()
}

export class UsedApprovals {
  readonly #state: StatePort
  readonly #sha256: Sha256
  /** State keys in order: those that expire first come first. */
  #keys: string[] = []

  constructor(state: StatePort, sha256: Sha256) {
    this.#state = state
    this.#sha256 = sha256
  }

  get isFull(): boolean {
    return this.#keys.length >= USED_APPROVALS_MAX
  }

  /** The name under which the use of an approval is remembered: who signed what, not with which key. */
  nameOf(signer: Principal, { expiresAtMs }: Approval, statement: Uint8Array): string {
    const digest = this.#sha256(new ByteWriter(256).raw(signer.identity).raw(statement).finish())
    return USED_APPROVAL_SPACE + u64Key(expiresAtMs) + binaryString(digest)
  }

  isUsed(name: string): boolean {
    return this.#keys[this.#place(name)] === name
  }

  use(name: string): void {
    this.#keys.splice(this.#place(name), 0, name)
    this.#state.put(name, NOTHING)
  }

  /** Forgets what has expired, a bounded number per entry. */
  expire(nowMs: number): void {
    let count = 0
    while (count < APPROVAL_EXPIRIES_PER_ENTRY_MAX) {
      const name = this.#keys[count]
      if (name === undefined || readU64Key(name, 1) > nowMs) break
      this.#state.delete(name)
      count++
    }
    if (count > 0) this.#keys.splice(0, count)
  }

  /** Takes one pair of the space at a restart, in key order. Throws `Corrupt`. */
  load(key: string): void {
    if (key.length !== USED_KEY_CHARS) throw new KnhkError('Corrupt', 'a used approval is malformed')
    this.#keys.push(key)
  }

  /** Where a name is, or belongs. */
  #place(name: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] as string) < name) low = middle + 1
      else high = middle
    }
    return low
  }
}
