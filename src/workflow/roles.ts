/**
 * Who may do what: client keys and their roles as replicated state, seeded from the genesis
 * configuration, checked for every single operation, deny by default. Each role includes the ones
 * before it: reader < writer < operator < admin. A client keeps its identity, the first key that it had,
 * when its key is rotated: what the state says of it (duties, sessions, quotas, request ids) names that.
 */
import { assert } from '../base/assert.js'
import { ByteReader, ByteWriter, bytesEqual } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { CLIENT_ROLES, type ClientConfiguration, type ClientRole } from '../consensus/configuration.js'
import { binaryString, bytesOfBinaryString, CLIENT_SPACE, type StatePort } from './state-keys.js'

const RECORD_VERSION = 1
/** Of a client whose key was rotated: its identity stands behind. */
const ROTATED_VERSION = 2
const KEY_BYTES = 32

/** Who may change the members. */
export const MEMBERS_ROLE: ClientRole = 'admin'

export interface Principal {
  /** Ed25519 public key, 32 bytes: what opens links and signs. */
  readonly key: Uint8Array
  /** The first key that it had, 32 bytes: what the state calls it by. */
  readonly identity: Uint8Array
  /** The client's name in the configuration. */
  readonly id: string
  readonly role: ClientRole
}

/** True when `role` includes everything `needed` may do. */
export function includesRole(role: ClientRole, needed: ClientRole): boolean {
  return CLIENT_ROLES.indexOf(role) >= CLIENT_ROLES.indexOf(needed)
}

/** A principal that the table changes: whoever holds one, a session too, sees its role of now. */
type Entry = { -readonly [K in keyof Principal]: Principal[K] }

export class ClientTable {
  readonly #principals = new Map<string, Entry>()
  readonly #byIdentity = new Map<string, Entry>()
  readonly #state: StatePort

  constructor(state: StatePort) {
    this.#state = state
  }

  get size(): number {
    return this.#principals.size
  }

  /** Writes the clients of the genesis configuration: the state before the first entry. */
  seed(clients: readonly ClientConfiguration[]): void {
    for (const client of clients) this.set(client.publicKey.slice(), client.id, client.role)
  }

  /** Takes one pair of the client space, at a restart. Throws `Corrupt`. */
  load(key: string, value: Uint8Array): void {
    const reader = new ByteReader(value)
    const version = reader.u8()
    const role = CLIENT_ROLES[reader.u8()]
    if ((version !== RECORD_VERSION && version !== ROTATED_VERSION) || role === undefined) {
      throw new KnhkError('Corrupt', 'a client record is malformed')
    }
    const id = reader.text()
    const publicKey = bytesOfBinaryString(key, 1)
    const identity = version === ROTATED_VERSION ? reader.raw(KEY_BYTES).slice() : publicKey
    reader.end()
    this.#enter({ key: publicKey, identity, id, role })
  }

  find(clientKey: Uint8Array): Principal | undefined {
    return this.#principals.get(binaryString(clientKey))
  }

  /** The client that has, or had, this as its first key: what the state names as an actor. */
  findByIdentity(identity: Uint8Array): Principal | undefined {
    return this.#byIdentity.get(binaryString(identity))
  }

  /** All clients in key order. */
  list(): Principal[] {
    return [...this.#principals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, principal]) => principal)
  }

  /** Undefined for an id that nobody has; ids are looked up only to change the table. */
  findById(id: string): Principal | undefined {
    for (const principal of this.#principals.values()) if (principal.id === id) return principal
    return undefined
  }

  isLastAdmin(principal: Principal): boolean {
    if (principal.role !== 'admin') return false
    for (const other of this.#principals.values()) if (other.role === 'admin' && other !== principal) return false
    return true
  }

  /**
   * Adds a client, or changes the one that has this key. The table keeps `publicKey`, which is nobody's identity
   * unless it is that client's own.
   */
  set(publicKey: Uint8Array, id: string, role: ClientRole): void {
    const known = this.#principals.get(binaryString(publicKey))
    if (known !== undefined) {
      known.id = id
      known.role = role
    }
    this.#put(known ?? this.#enter({ key: publicKey, identity: publicKey, id, role }))
  }

  /** From now on the client has this key, which nobody else has or began with. The table keeps `publicKey`. */
  rotate(principal: Principal, publicKey: Uint8Array): void {
    const entry = this.#principals.get(binaryString(principal.key))
    assert(entry !== undefined && entry === principal, 'only a client that is there changes its key')
    this.#leave(entry)
    entry.key = publicKey
    this.#put(this.#enter(entry))
  }

  remove(principal: Principal): void {
    this.#leave(principal)
  }

  #enter(entry: Entry): Entry {
    this.#principals.set(binaryString(entry.key), entry)
    this.#byIdentity.set(binaryString(entry.identity), entry)
    return entry
  }

  #leave({ key, identity }: Principal): void {
    this.#principals.delete(binaryString(key))
    this.#byIdentity.delete(binaryString(identity))
    this.#state.delete(CLIENT_SPACE + binaryString(key))
  }

  /** A client with its first key has the same record whether or not it had another in between. */
  #put({ key, identity, id, role }: Principal): void {
    const isRotated = !bytesEqual(key, identity)
    const record = new ByteWriter(96)
      .u8(isRotated ? ROTATED_VERSION : RECORD_VERSION)
      .u8(CLIENT_ROLES.indexOf(role))
      .text(id)
    if (isRotated) record.raw(identity)
    this.#state.put(CLIENT_SPACE + binaryString(key), record.finish())
  }
}
