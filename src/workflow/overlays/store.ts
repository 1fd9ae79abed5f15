/** Reads and writes what the state holds about overlays, for apply: synchronous, one record at a time. */
import { assert } from '../../base/assert.js'
import { SIGMA_SPACE, type StatePort } from '../state-keys.js'
import {
  decodeGovernance,
  decodeOverlay,
  decodeSnapshotRecord,
  encodeGovernance,
  encodeMove,
  encodeOverlay,
  encodeSnapshotRecord,
  type Governance,
  genesisRecord,
  moveKey,
  type OverlayRecord,
  overlayKey,
  type SigmaMove,
  type SnapshotRecord,
  snapshotKey,
} from './record.js'
import { GENESIS_SIGMA } from './snapshot.js'

export class OverlayStore {
  readonly #state: StatePort

  constructor(state: StatePort) {
    this.#state = state
  }

  governance(): Governance {
    return decodeGovernance(this.#state.get(SIGMA_SPACE))
  }

  putGovernance(governance: Governance): void {
    this.#state.put(SIGMA_SPACE, encodeGovernance(governance))
  }

  overlay(overlayId: string): OverlayRecord | undefined {
    const stored = this.#state.get(overlayKey(overlayId))
    return stored === undefined ? undefined : decodeOverlay(stored)
  }

  putOverlay(overlayId: string, record: OverlayRecord): void {
    this.#state.put(overlayKey(overlayId), encodeOverlay(record))
  }

  /** Of a snapshot that is the head, or that an overlay names. */
  snapshot(sigma: string): SnapshotRecord {
    if (sigma === GENESIS_SIGMA) return genesisRecord()
    const stored = this.#state.get(snapshotKey(sigma))
    assert(stored !== undefined, 'every snapshot that is named is stored')
    return decodeSnapshotRecord(stored)
  }

  /** Keeps a snapshot under its name; one with the same content stays as it is. */
  addSnapshot(sigma: string, content: Uint8Array): void {
    const key = snapshotKey(sigma)
    if (this.#state.get(key) === undefined) this.#state.put(key, encodeSnapshotRecord(null, content))
  }

  putPromotion(sigma: string, promotion: SnapshotRecord['promotion'], content: Uint8Array): void {
    this.#state.put(snapshotKey(sigma), encodeSnapshotRecord(promotion, content))
  }

  putMove(index: number, position: number, move: SigmaMove): void {
    this.#state.put(moveKey(index, position), encodeMove(move))
  }
}
