/**
 * Who may do what: client keys and their roles as replicated state, seeded from the genesis
 * configuration, checked for every single operation, deny by default. Each role includes the ones
 * before it: reader < writer < operator < admin.
 */
import { ByteReader, ByteWriter } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { CLIENT_ROLES, type ClientConfiguration, type ClientRole } from '../consensus/configuration.js'
import { binaryString, bytesOfBinaryString, CLIENT_SPACE, type StatePort } from './state-keys.js'

const RECORD_VERSION = 1

/** Who may change the members. */
export const MEMBERS_ROLE: ClientRole = 'admin'

export interface Principal {
  /** Ed25519 public key, 32 bytes. */
  readonly key: Uint8Array
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
    if (version !== RECORD_VERSION || role === undefined) throw new KnhkError('Corrupt', 'a client record is malformed')
    const id = reader.text()
    reader.end()
    this.#principals.set(key.slice(1), { key: bytesOfBinaryString(key, 1), id, role })
  }

  find(clientKey: Uint8Array): Principal | undefined {
    return this.#principals.get(binaryString(clientKey))
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

  /** Adds a client, or changes the one that has this key. The table keeps `publicKey`. */
  set(publicKey: Uint8Array, id: string, role: ClientRole): void {
    const key = binaryString(publicKey)
    const known = this.#principals.get(key)
    if (known === undefined) this.#principals.set(key, { key: publicKey, id, role })
    else {
      known.id = id
      known.role = role
    }
    const record = new ByteWriter(64).u8(RECORD_VERSION).u8(CLIENT_ROLES.indexOf(role)).text(id)
    this.#state.put(CLIENT_SPACE + key, record.finish())
  }

  remove({ key }: Principal): void {
    this.#principals.delete(binaryString(key))
    this.#state.delete(CLIENT_SPACE + binaryString(key))
  }
}
