/** Overlays in few words, and a story whose operator deploys and promotes them: what the tests of overlays share. */
import type { SessionId } from '../../src/consensus/request.js'
import type { Operation } from '../../src/workflow/operations.js'
import type { OverlayChange, OverlayPhase, OverlayScope } from '../../src/workflow/overlays/overlay.js'
import { GENESIS_SIGMA } from '../../src/workflow/overlays/snapshot.js'
import type { PlacedResult } from '../../src/workflow/result-codec.js'
import { decodeResult } from '../../src/workflow/result-data.js'
import { codeOf, newMachine, Story } from './harness.js'

export const scope = (fields: Partial<OverlayScope> = {}): OverlayScope => ({
  workflows: [],
  patterns: [],
  guards: [],
  tags: {},
  ...fields,
})

export const toggle = (patternId: number, enabled = false): OverlayChange => ({
  type: 'TogglePattern',
  patternId,
  enabled,
})
export const guard = (guardName: string, newValue: string | number | boolean): OverlayChange => ({
  type: 'ModifyGuard',
  guardName,
  newValue,
})

export const deploy = (
  overlayId: string,
  changes: readonly OverlayChange[],
  fields: Partial<OverlayScope> = {},
  base = GENESIS_SIGMA,
): Operation => ({ type: 'DeployOverlay', overlayId, base, scope: scope(fields), changes })

export const advance = (overlayId: string, to: OverlayPhase): Operation => ({ type: 'AdvanceOverlay', overlayId, to })
export const rollback = (overlayId: string, reason: string | null = null): Operation => ({
  type: 'RollbackOverlay',
  overlayId,
  reason,
})

const STEPS = ['Test', 'Validate', 'Promote', 'Promoted'] as const

/** A story with one operator; `run` gives 'ok' or the code of the rejection. */
export class OverlayStory extends Story {
  session: SessionId
  readonly client: string

  constructor(client = 'operator') {
    super()
    this.client = client
    this.session = this.open(client)
  }

  /** Goes on from another state, in a session of its own. */
  adopt(pairs: readonly { readonly key: string; readonly value: Uint8Array }[], appliedIndex: number): void {
    this.state.pairs.clear()
    for (const { key, value } of pairs) this.state.put(key, value)
    this.machine = newMachine(this.state, appliedIndex)
    this.session = this.open(this.client)
  }

  results(...operations: Operation[]): PlacedResult[] {
    return this.submit(this.session, operations, this.client)
  }

  run(...operations: Operation[]): string[] {
    return this.results(...operations).map(codeOf)
  }

  /** The data of the result of one operation that has to be ok. */
  data(operation: Operation): Readonly<Record<string, unknown>> {
    const [result] = this.results(operation)
    if (result?.outcome.ok !== true) throw new Error(`rejected: ${JSON.stringify(result?.outcome)}`)
    return decodeResult(operation, result.outcome) ?? {}
  }

  promote(overlayId: string): string[] {
    return this.run(...STEPS.map((to) => advance(overlayId, to)))
  }

  get head(): string {
    return (this.query('sigma.chain') as { activeSigma: string }).activeSigma
  }
}

export const PROMOTED = STEPS.map(() => 'ok')
