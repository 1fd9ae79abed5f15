/**
 * Operations about overlays as bytes, strictly: what decodes, encodes to the same bytes again. Behind
 * the u8 type: DeployOverlay: text id, 32 bytes base, part · AdvanceOverlay: text id, u8 phase ·
 * RollbackOverlay: text id, u8 0, or u8 1 and text reason · ComposeOverlays: text id, u8 strategy, u16
 * count, text ids · SetOverlayMode: u8 mode. A text is u32 length and UTF-8. Part: u16 count and 16 bytes
 * each, workflows; u16 count and u8 each, patterns; u16 count and texts, guards; u16 count and pairs of
 * texts in order of name, tags; u16 count and the changes: u8 code, then integer (u8 sign, u64) delta ·
 * u32 ticks · text guard, value · u8 pattern, u8 enabled · text resource, u32 percent · text type, text params.
 */
import { ByteReader, type ByteWriter, fromHex, toHex } from '../../base/bytes.js'
import { KnhkError } from '../../base/error.js'
import { UUID_BYTES, uuidFromBytes, uuidToBytes } from '../uuid.js'
import { operationProblem } from './form.js'
import {
  CHANGE_TYPES,
  COMPOSITION_STRATEGIES,
  OVERLAY_MODES,
  OVERLAY_PHASES,
  type OverlayChange,
  type OverlayOperation,
  type OverlayPart,
} from './overlay.js'
import { readInteger, readValue, SIGMA_BYTES, writeInteger, writeValue } from './snapshot.js'

/** Type codes of the operations. */
export const OVERLAY_TYPE = {
  DeployOverlay: 37,
  AdvanceOverlay: 38,
  RollbackOverlay: 39,
  ComposeOverlays: 40,
  SetOverlayMode: 41,
} as const

const FIRST_TYPE = OVERLAY_TYPE.DeployOverlay
const LAST_TYPE = OVERLAY_TYPE.SetOverlayMode

export function isOverlayType(type: number): boolean {
  return type >= FIRST_TYPE && type <= LAST_TYPE
}

export function isOverlayOperation(operation: { readonly type: string }): operation is OverlayOperation {
  return Object.hasOwn(OVERLAY_TYPE, operation.type)
}

/** Appends type and fields. Throws `InvalidArgument` that names the field where one is not valid. */
export function writeOverlayOperation(out: ByteWriter, operation: OverlayOperation): ByteWriter {
  const wrong = operationProblem(operation)
  if (wrong !== null) {
    throw new KnhkError('InvalidArgument', `${wrong.field} ${wrong.problem}`, { details: { field: wrong.field } })
  }
  out.u8(OVERLAY_TYPE[operation.type])
  switch (operation.type) {
    case 'DeployOverlay':
      writePart(out.text(operation.overlayId).raw(fromHex(operation.base)), operation)
      return out
    case 'AdvanceOverlay':
      return out.text(operation.overlayId).u8(OVERLAY_PHASES.indexOf(operation.to))
    case 'RollbackOverlay':
      out.text(operation.overlayId)
      return operation.reason === null ? out.u8(0) : out.u8(1).text(operation.reason)
    case 'ComposeOverlays':
      out
        .text(operation.overlayId)
        .u8(COMPOSITION_STRATEGIES.indexOf(operation.strategy))
        .u16(operation.overlays.length)
      for (const overlay of operation.overlays) out.text(overlay)
      return out
    case 'SetOverlayMode':
      return out.u8(OVERLAY_MODES.indexOf(operation.mode))
  }
}

/** Decodes the fields of `type` at [start, end) of `bytes`; throws `ProtocolViolation`. Form is not checked. */
export function decodeOverlayFields(type: number, bytes: Uint8Array, start: number, end: number): OverlayOperation {
  const reader = new ByteReader(bytes.subarray(start, end))
  const operation = readOverlayOperation(reader, type)
  reader.end()
  return operation
}

export function readOverlayOperation(reader: ByteReader, type: number): OverlayOperation {
  switch (type) {
    case OVERLAY_TYPE.DeployOverlay: {
      const overlayId = reader.text()
      const base = toHex(reader.raw(SIGMA_BYTES))
      return { type: 'DeployOverlay', overlayId, base, ...readPart(reader) }
    }
    case OVERLAY_TYPE.AdvanceOverlay:
      return { type: 'AdvanceOverlay', overlayId: reader.text(), to: readCode(reader, OVERLAY_PHASES) }
    case OVERLAY_TYPE.RollbackOverlay: {
      const overlayId = reader.text()
      return { type: 'RollbackOverlay', overlayId, reason: reader.flag() ? reader.text() : null }
    }
    case OVERLAY_TYPE.ComposeOverlays: {
      const overlayId = reader.text()
      const strategy = readCode(reader, COMPOSITION_STRATEGIES)
      return { type: 'ComposeOverlays', overlayId, strategy, overlays: readItems(reader, () => reader.text()) }
    }
    case OVERLAY_TYPE.SetOverlayMode:
      return { type: 'SetOverlayMode', mode: readCode(reader, OVERLAY_MODES) }
    default:
      throw new KnhkError('ProtocolViolation', `operation type ${type} is unknown`)
  }
}

/** Also how a stored overlay holds its parts. */
export function writePart(out: ByteWriter, { scope, changes }: OverlayPart): void {
  out.u16(scope.workflows.length)
  for (const workflow of scope.workflows) out.raw(uuidToBytes(workflow, 'scope.workflows'))
  out.u16(scope.patterns.length)
  for (const pattern of scope.patterns) out.u8(pattern)
  out.u16(scope.guards.length)
  for (const guard of scope.guards) out.text(guard)
  const tags = Object.keys(scope.tags).sort()
  out.u16(tags.length)
  for (const tag of tags) out.text(tag).text(scope.tags[tag] ?? '')
  out.u16(changes.length)
  for (const change of changes) writeChange(out, change)
}

export function readPart(reader: ByteReader): OverlayPart {
  const workflows = readItems(reader, () => uuidFromBytes(reader.raw(UUID_BYTES)))
  const patterns = readItems(reader, () => reader.u8())
  const guards = readItems(reader, () => reader.text())
  const tags = readItems(reader, () => [reader.text(), reader.text()] as const)
  if (tags.some(([name], i) => i > 0 && name <= (tags[i - 1] as readonly [string, string])[0])) {
    throw new KnhkError('ProtocolViolation', 'the tags of an overlay are not in order')
  }
  const changes = readItems(reader, () => readChange(reader))
  return { scope: { workflows, patterns, guards, tags: Object.fromEntries(tags) }, changes }
}

function writeChange(out: ByteWriter, change: OverlayChange): void {
  out.u8(CHANGE_TYPES.indexOf(change.type))
  switch (change.type) {
    case 'ScaleMultiInstance':
      return writeInteger(out, change.delta)
    case 'AdjustPerformance':
      out.u32(change.targetTicks)
      return
    case 'ModifyGuard':
      return writeValue(out.text(change.guardName), change.newValue)
    case 'TogglePattern':
      out.u8(change.patternId).u8(change.enabled ? 1 : 0)
      return
    case 'AdjustResources':
      out.text(change.resource).u32(change.multiplier)
      return
    case 'Custom':
      out.text(change.changeType).text(change.params)
  }
}

function readChange(reader: ByteReader): OverlayChange {
  const type = readCode(reader, CHANGE_TYPES)
  switch (type) {
    case 'ScaleMultiInstance':
      return { type, delta: readInteger(reader) }
    case 'AdjustPerformance':
      return { type, targetTicks: reader.u32() }
    case 'ModifyGuard':
      return { type, guardName: reader.text(), newValue: readValue(reader) }
    case 'TogglePattern':
      return { type, patternId: reader.u8(), enabled: reader.flag() }
    case 'AdjustResources':
      return { type, resource: reader.text(), multiplier: reader.u32() }
    case 'Custom':
      return { type, changeType: reader.text(), params: reader.text() }
  }
}

function readItems<T>(reader: ByteReader, read: () => T): T[] {
  const items: T[] = []
  for (let left = reader.u16(); left > 0; left--) items.push(read())
  return items
}

export function readCode<T extends string>(reader: ByteReader, names: readonly T[]): T {
  const name = names[reader.u8()]
  if (name === undefined) throw new KnhkError('ProtocolViolation', 'a code of an overlay is unknown')
  return name
}
