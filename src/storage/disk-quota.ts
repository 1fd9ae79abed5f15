/**
 * How full the disk of a node is, told from measurements: roomy, near a limit, or full. There are two limits: bytes
 * of the file system that stay free, and bytes that the data directory may take. A node that is full accepts no
 * proposals; it is full until there is clearly room again, or it would change its mind with every compaction.
 */
import type { DiskSettings, DiskUsage } from '../node/ports.js'

export type DiskStanding = 'roomy' | 'near' | 'full'

/** What is kept free where nobody says how much … */
const RESERVE_BYTES = 256 << 20
/** … but of a small file system at most this share. */
const RESERVE_SHARE = 0.05
/** With so much of its quota used, or so many times its reserve left, a node is near the limit … */
const NEAR_QUOTA_SHARE = 0.8
const NEAR_RESERVES = 2
/** … and so much is asked for before one that was full accepts proposals again. */
const CLEAR_QUOTA_SHARE = 0.9
const CLEAR_RESERVES = 1.25

/**
 * How much of a file system stays free. By default as much as a node can come to write before anybody looks again:
 * a segment, requests that wait, changes that are written behind, one look's worth of writes.
 */
export function reserveBytes({ reserveBytes: given }: DiskSettings, totalBytes: number): number {
  return given ?? Math.min(RESERVE_BYTES, Math.floor(totalBytes * RESERVE_SHARE))
}

export class DiskQuota {
  readonly #settings: DiskSettings
  #standing: DiskStanding = 'roomy'

  constructor(settings: DiskSettings) {
    this.#settings = settings
  }

  get standing(): DiskStanding {
    return this.#standing
  }

  /** Takes a measurement in, and says where it leaves the node. */
  note(usage: DiskUsage): DiskStanding {
    const isOver = this.#isBeyond(usage, 1, 1)
    const isStuck = this.#standing === 'full' && this.#isBeyond(usage, CLEAR_QUOTA_SHARE, CLEAR_RESERVES)
    if (isOver || isStuck) this.#standing = 'full'
    else this.#standing = this.#isBeyond(usage, NEAR_QUOTA_SHARE, NEAR_RESERVES) ? 'near' : 'roomy'
    return this.#standing
  }

  /** What can be written before a limit is reached. */
  roomBytes({ usedBytes, freeBytes, totalBytes }: DiskUsage): number {
    const { quotaBytes } = this.#settings
    const free = freeBytes - reserveBytes(this.#settings, totalBytes)
    return quotaBytes === null ? free : Math.min(free, quotaBytes - usedBytes)
  }

  #isBeyond({ usedBytes, freeBytes, totalBytes }: DiskUsage, quotaShare: number, reserves: number): boolean {
    const { quotaBytes } = this.#settings
    if (freeBytes <= reserveBytes(this.#settings, totalBytes) * reserves) return true
    return quotaBytes !== null && usedBytes >= quotaBytes * quotaShare
  }
}
