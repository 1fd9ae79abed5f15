/** The faults that a simulation counts, by the names that reports use. */
import { LIES } from './byzantine/lies.js'

export const FAULT_IDS = [
  'crash',
  'restart',
  'pause',
  'clockJump',
  'drop',
  'delay',
  'duplicate',
  'reorder',
  'clog',
  'partition',
  'partitionAsymmetric',
  'partitionPartial',
  'lostWrite',
  'tornWrite',
  'lostDirectoryEntry',
  'bitRot',
  'misdirectedWrite',
  'eio',
  'enospc',
  'slowSync',
  'hungSync',
  'wipe',
  ...LIES,
] as const

export type FaultId = (typeof FAULT_IDS)[number]
/** How often each fault struck; 0 for one that did not. */
export type FaultCounts = Record<FaultId, number>

export function noFaults(): FaultCounts {
  return Object.fromEntries(FAULT_IDS.map((id) => [id, 0])) as FaultCounts
}

export function addFaults(to: FaultCounts, more: Readonly<FaultCounts>): void {
  for (const id of FAULT_IDS) to[id] += more[id]
}
