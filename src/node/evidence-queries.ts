/**
 * Evidence as this node knows it: what was ordered and is replicated state, and what this node keeps in
 * its own store, which may not be ordered yet. Every piece proves itself; that it was ordered is only
 * the word of the one who says so.
 */
import { ByteWriter, fromHex, toHex } from '../base/bytes.js'
import { KnhkError } from '../base/error.js'
import { decodeEvidence } from '../consensus/bft/evidence.js'
import type { Core } from '../consensus/core.js'
import type { LogIndex } from '../consensus/types.js'
import { decodeOrderedEvidence, evidenceKey } from '../workflow/evidence-table.js'
import { writePath } from '../workflow/receipts/epochs.js'
import type { EpochSteps } from './epoch-steps.js'
import type { EvidenceStore, StateStore } from './ports.js'

/** A row of the query `evidence.ordered` of the state. */
interface OrderedRow {
  readonly id: string
  readonly index: number
  readonly evidence: Uint8Array
}

interface OrderedPage {
  readonly evidence: readonly OrderedRow[]
  readonly cursor: string | null
}

export interface EvidenceOptions {
  readonly core: Core
  readonly state: StateStore
  readonly store: EvidenceStore
  readonly steps: EpochSteps
}

/** No epoch begins there. */
const NOWHERE = 0 as LogIndex

export class EvidenceQueries {
  readonly #options: EvidenceOptions

  constructor(options: EvidenceOptions) {
    this.#options = options
  }

  /** A page of what was ordered; the first one also has what is kept here and not ordered, with `index` null. */
  async list(ordered: OrderedPage, isFirst: boolean): Promise<unknown> {
    const { state, store } = this.#options
    const rows: unknown[] = ordered.evidence.map((row) => ({ ...row, kept: store.has(fromHex(row.id)) }))
    if (!isFirst) return { evidence: rows, cursor: ordered.cursor }
    for (const id of store.list()) {
      if (state.get(evidenceKey(id)) !== undefined) continue
      const evidence = await store.read(id)
      if (evidence !== null) rows.push({ id: toHex(id), index: null, evidence, kept: true })
    }
    return { evidence: rows, cursor: ordered.cursor }
  }

  /** One piece, and how the members of its epoch came to be. Throws `NotFound`, `InvalidArgument`. */
  async get(name: unknown): Promise<unknown> {
    if (typeof name !== 'string' || !/^[0-9a-f]{64}$/.test(name))
      throw new KnhkError('InvalidArgument', 'the id of evidence has 64 hexadecimal digits')
    const id = fromHex(name)
    const { core, state, store, steps } = this.#options
    const record = state.get(evidenceKey(id))
    const ordered = record === undefined ? null : decodeOrderedEvidence(record)
    const evidence = ordered?.evidence ?? (await store.read(id))
    if (evidence === null)
      throw new KnhkError('NotFound', `this node has no evidence ${name}`, { details: { id: name } })
    const { epoch, membership } = core.status()
    const { epoch: of } = decodeEvidence(evidence)
    const chain = new ByteWriter(256)
    writePath(chain, await steps.upTo(of, of === epoch ? membership.index : NOWHERE))
    return { id: name, index: ordered?.index ?? null, evidence, steps: chain.finish() }
  }
}
