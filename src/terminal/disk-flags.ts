/** Flags that say how much of the disk a node may take. */
import type { DiskSettings } from '../node/ports.js'
import { sizeFlag } from './flags.js'

/** Below, the buffers of the applied state alone could take it all. */
const QUOTA_BYTES_MIN = 64 << 20

export const diskFlags = {
  'disk-quota': sizeFlag(
    'Accept no proposals once the data directory takes so much; no such limit if absent.',
    'KNHK_DISK_QUOTA',
    QUOTA_BYTES_MIN,
  ),
  'disk-reserve': sizeFlag(
    'Accept no proposals once less than this is free on the disk; 256MiB, or 5 % of a small disk, if absent.',
    'KNHK_DISK_RESERVE',
  ),
  'disk-ballast': sizeFlag(
    'Keep a file of this size that gives way when the disk is full; 16MiB if absent, 0 for none.',
    'KNHK_DISK_BALLAST',
  ),
}

type Given = { readonly [Name in keyof typeof diskFlags]?: number | undefined }

/** As arguments for nodes that are started. */
export function diskArguments(flags: Given): readonly string[] {
  const names = Object.keys(diskFlags) as (keyof typeof diskFlags)[]
  return names.flatMap((name) => (flags[name] === undefined ? [] : [`--${name}`, String(flags[name])]))
}

/** What was said; the rest is the default. */
export function diskSettings(flags: Given): Partial<DiskSettings> {
  const { 'disk-quota': quotaBytes, 'disk-reserve': reserveBytes, 'disk-ballast': ballastBytes } = flags
  return {
    ...(quotaBytes === undefined ? {} : { quotaBytes }),
    ...(reserveBytes === undefined ? {} : { reserveBytes }),
    ...(ballastBytes === undefined ? {} : { ballastBytes }),
  }
}
