/**
 * Applies the operations about overlays: deploy, compose, advance through the phases, roll back, and the
 * mode. Only the step to Promoted moves Σ*, and it checks the base again, because others may have been
 * promoted since; only the head can be taken back, so the chain never branches.
 */
import { fromHex, toHex } from '../../base/bytes.js'
import type { Sha256 } from '../../consensus/entry.js'
import type { ApplyContext } from '../handlers.js'
import { ok, rejected } from '../result-codec.js'
import type { StatePort } from '../state-keys.js'
import { applyParts, conflictRefusal, scopeRefusal, settingsRefusal, sizeRefusal } from './changes.js'
import { decodeOverlayFields } from './codec.js'
import { compose } from './compose.js'
import { operationProblem } from './form.js'
import { OPEN_OVERLAYS_MAX, SNAPSHOT_BYTES_MAX } from './limits.js'
import { obligationRefusal } from './obligations.js'
import { isEnded, type OverlayOperation, type OverlayPart, type OverlayPhase, phaseAfter } from './overlay.js'
import type { Governance, OverlayRecord } from './record.js'
import { type Refusal, refusalResult, refuse } from './refusal.js'
import { encodeOverlayResult } from './result.js'
import { encodeSnapshot, GENESIS_SIGMA } from './snapshot.js'
import { OverlayStore } from './store.js'

type Operation<Type extends OverlayOperation['type']> = OverlayOperation & { readonly type: Type }
type Outcome = Refusal | Uint8Array

const OVERLAY_NOT_FOUND = refuse('OverlayNotFound', 'there is no overlay with this id')
const OVERLAY_EXISTS = refuse('OverlayExists', 'an overlay with this id exists')
const GENESIS_STAYS = refuse('GenesisRollback', 'the genesis snapshot cannot be rolled back')
const NOT_HEAD = refuse('NotHead', 'the overlay is not the head of the configuration')
/** Checking, writing and hashing a setting takes about as long as two small operations. */
const COST_PER_SETTING = 2
const TOO_MANY = refuse('OverlayLimit', `there are ${OPEN_OVERLAYS_MAX} open overlays`)
const TOO_LARGE = refuse('OverlayLimit', `the snapshot would be over ${SNAPSHOT_BYTES_MAX} bytes`)

export class OverlayGovernance {
  readonly #store: OverlayStore
  readonly #sha256: Sha256
  readonly #onMove: () => void
  #cost = 0

  /** `onMove` is told when Σ* has become another. */
  constructor(state: StatePort, sha256: Sha256, onMove: () => void) {
    this.#store = new OverlayStore(state)
    this.#sha256 = sha256
    this.#onMove = onMove
  }

  /** What the last operation cost, in units of a slice. */
  takeCost(): number {
    const cost = this.#cost
    this.#cost = 0
    return cost
  }

  /** Applies the fields of an operation of `type`. Throws `ProtocolViolation` where they are malformed. */
  apply(context: ApplyContext, type: number, bytes: Uint8Array, start: number, end: number): Uint8Array {
    const operation = decodeOverlayFields(type, bytes, start, end)
    const wrong = operationProblem(operation)
    if (wrong !== null) return rejected('InvalidOperation', 'a field is not accepted', { field: wrong.field })
    const outcome = this.#run(context, operation)
    return outcome instanceof Uint8Array ? outcome : refusalResult(outcome)
  }

  #run(context: ApplyContext, operation: OverlayOperation): Outcome {
    const governance = this.#store.governance()
    if (operation.type === 'SetOverlayMode') {
      const { mode } = operation
      this.#store.putGovernance({ ...governance, mode })
      return ok(new Uint8Array(0))
    }
    if (operation.type === 'RollbackOverlay') return this.#rollBack(context, governance, operation)
    // Going back is possible in every mode, going forward is not.
    const { mode } = governance
    if (mode !== 'Normal') return refuse('ModeNotNormal', 'the configuration may change only in mode Normal', { mode })
    switch (operation.type) {
      case 'DeployOverlay':
        return this.#deploy(context, governance, operation)
      case 'ComposeOverlays':
        return this.#compose(context, governance, operation)
      case 'AdvanceOverlay':
        return this.#advance(context, governance, operation)
    }
  }

  #deploy(context: ApplyContext, governance: Governance, operation: Operation<'DeployOverlay'>): Outcome {
    const { overlayId, base, scope, changes } = operation
    const part = { scope, changes }
    const refusal = scopeRefusal(part) ?? conflictRefusal([part])
    if (refusal !== null) return refusal
    return this.#add(context, governance, overlayId, { base, parts: [part], composition: null })
  }

  #compose(context: ApplyContext, governance: Governance, operation: Operation<'ComposeOverlays'>): Outcome {
    const { overlayId, strategy, overlays } = operation
    const parts: (readonly OverlayPart[])[] = []
    for (const id of overlays) {
      const record = this.#store.overlay(id)
      if (record === undefined) return OVERLAY_NOT_FOUND
      if (isEnded(record.phase)) return wrongPhase(record.phase, 'Shadow')
      if (record.base !== governance.head) return incompatible(governance)
      parts.push(record.parts)
    }
    const composed = compose(strategy, parts)
    if (composed.refusal !== null) return composed.refusal
    const composition = { strategy, overlays }
    return this.#add(context, governance, overlayId, { base: governance.head, parts: composed.parts, composition })
  }

  /** What deployed and composed overlays share: base, bounds, obligations, and the new records. */
  #add(
    context: ApplyContext,
    governance: Governance,
    overlayId: string,
    made: Pick<OverlayRecord, 'base' | 'parts' | 'composition'>,
  ): Outcome {
    if (this.#store.overlay(overlayId) !== undefined) return OVERLAY_EXISTS
    if (made.base !== governance.head) return incompatible(governance)
    if (governance.open >= OPEN_OVERLAYS_MAX) return TOO_MANY
    const tooMuch = sizeRefusal(made.parts)
    if (tooMuch !== null) return tooMuch
    const settings = applyParts(this.#store.snapshot(made.base).snapshot.settings, made.parts)
    this.#cost += COST_PER_SETTING * settings.size
    const refusal = settingsRefusal(settings) ?? obligationRefusal(settings)
    if (refusal !== null) return refusal
    const content = encodeSnapshot(fromHex(made.base), settings)
    if (content.length > SNAPSHOT_BYTES_MAX) return TOO_LARGE
    const sigma = toHex(this.#sha256(content))
    const record: OverlayRecord = { ...made, phase: 'Shadow', sigma, steps: [stepTo('Shadow', context)], reason: null }
    this.#store.addSnapshot(sigma, content)
    this.#store.putOverlay(overlayId, record)
    this.#store.putGovernance({ ...governance, open: governance.open + 1 })
    return encodeOverlayResult({ phase: 'Shadow', sigma, activeSigma: governance.head })
  }

  #advance(context: ApplyContext, governance: Governance, operation: Operation<'AdvanceOverlay'>): Outcome {
    const { overlayId, to } = operation
    const record = this.#store.overlay(overlayId)
    if (record === undefined) return OVERLAY_NOT_FOUND
    if (phaseAfter(record.phase) !== to) return wrongPhase(record.phase, to)
    if (to !== 'Promoted') {
      this.#step(context, overlayId, record, to)
      return encodeOverlayResult({ phase: to, sigma: record.sigma, activeSigma: governance.head })
    }
    if (record.base !== governance.head) return incompatible(governance)
    const { parent, settings } = this.#store.snapshot(record.sigma).snapshot
    this.#cost += COST_PER_SETTING * settings.size
    const promotion = { overlayId, index: context.index, atMs: context.nowMs }
    const content = encodeSnapshot(parent === null ? null : fromHex(parent), settings)
    this.#store.putPromotion(record.sigma, promotion, content)
    this.#step(context, overlayId, record, to)
    const moved = { ...governance, head: record.sigma, height: governance.height + 1, open: governance.open - 1 }
    this.#move(context, governance, moved, overlayId)
    return encodeOverlayResult({ phase: to, sigma: record.sigma, activeSigma: moved.head })
  }

  #rollBack(context: ApplyContext, governance: Governance, operation: Operation<'RollbackOverlay'>): Outcome {
    const { overlayId, reason } = operation
    if (overlayId === 'genesis' || overlayId === GENESIS_SIGMA) return GENESIS_STAYS
    const record = this.#store.overlay(overlayId)
    if (record === undefined) return OVERLAY_NOT_FOUND
    if (record.phase === 'RolledBack') return wrongPhase(record.phase, 'RolledBack')
    let head = governance.head
    if (record.phase === 'Promoted') {
      if (record.sigma !== head) return NOT_HEAD
      head = record.base
      this.#move(context, governance, { ...governance, head, height: governance.height - 1 }, overlayId)
    } else this.#store.putGovernance({ ...governance, open: governance.open - 1 })
    this.#step(context, overlayId, { ...record, reason }, 'RolledBack')
    return encodeOverlayResult({ phase: 'RolledBack', sigma: record.sigma, activeSigma: head })
  }

  #step(context: ApplyContext, overlayId: string, record: OverlayRecord, phase: OverlayPhase): void {
    this.#store.putOverlay(overlayId, { ...record, phase, steps: [...record.steps, stepTo(phase, context)] })
  }

  #move(context: ApplyContext, from: Governance, to: Governance, overlayId: string): void {
    const { index, position, nowMs, actor } = context
    this.#store.putGovernance(to)
    this.#store.putMove(index, position, { from: from.head, to: to.head, overlayId, atMs: nowMs, actor })
    this.#onMove()
  }
}

function stepTo(phase: OverlayPhase, { index, position, nowMs, actor }: ApplyContext): OverlayRecord['steps'][number] {
  return { phase, index, position, atMs: nowMs, actor }
}

function incompatible({ head }: Governance): Refusal {
  return refuse('IncompatibleBase', 'the base is not the active snapshot', { activeSigma: head })
}

function wrongPhase(from: OverlayPhase, to: OverlayPhase): Refusal {
  return refuse('InvalidPhaseTransition', `an overlay cannot go from ${from} to ${to}`, { from, to })
}
