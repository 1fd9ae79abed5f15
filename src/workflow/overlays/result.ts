/** The payload of an ok result of an overlay's operation: u8 phase, 32 bytes Σ', 32 bytes Σ* afterwards. */
import { ByteReader, ByteWriter, fromHex, toHex } from '../../base/bytes.js'
import { ok } from '../result-codec.js'
import { readCode } from './codec.js'
import { OVERLAY_PHASES, type OverlayOperation, type OverlayPhase } from './overlay.js'
import { SIGMA_BYTES } from './snapshot.js'

interface OverlayResult {
  readonly phase: OverlayPhase
  /** Hex, both. */
  readonly sigma: string
  readonly activeSigma: string
}

export function encodeOverlayResult({ phase, sigma, activeSigma }: OverlayResult): Uint8Array {
  const out = new ByteWriter(80).u8(OVERLAY_PHASES.indexOf(phase))
  return ok(out.raw(fromHex(sigma)).raw(fromHex(activeSigma)).finish())
}

/** Plain data; throws `ProtocolViolation` where the payload does not fit. */
export function overlayResultData(operation: OverlayOperation, payload: Uint8Array): Readonly<Record<string, string>> {
  if (operation.type === 'SetOverlayMode') return { mode: operation.mode }
  const reader = new ByteReader(payload)
  const phase = readCode(reader, OVERLAY_PHASES)
  const sigma = toHex(reader.raw(SIGMA_BYTES))
  const activeSigma = toHex(reader.raw(SIGMA_BYTES))
  reader.end()
  return { overlayId: operation.overlayId, phase, sigma, activeSigma }
}
