/**
 * The snapshots of one node that may hold a turned bit of its state. They outlive it: after a power failure the
 * node may have executed the same entries again, soundly, and still have the file on its disk, to give to
 * others or to begin from.
 */
import { toHex } from '../base/bytes.js'
import type { SnapshotInfo } from '../node/ports.js'

export class SpoiltSnapshots {
  readonly #ids = new Set<string>()

  /** Of these, the ones behind the last index at which the state was sound for certain. */
  add(snapshots: readonly SnapshotInfo[], soundIndex: number): void {
    for (const { id, base } of snapshots) if (base.index > soundIndex) this.#ids.add(toHex(id))
  }

  has(id: Uint8Array): boolean {
    return this.#ids.has(toHex(id))
  }

  clear(): void {
    this.#ids.clear()
  }
}
