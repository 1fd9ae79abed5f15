/** Flags of the commands that change the members. */
import * as Flags from '@oclif/core/flags'
import { clusterFlags } from '../cluster-command.js'
import { timeoutFlag } from '../flags.js'

/** A newcomer has to catch up first. */
const CHANGE_TIMEOUT_MS = 60_000
export const CHANGE_EXIT_CODES: readonly number[] = [4, 5, 6, 7, 8, 9]

export const changeFlags = { ...clusterFlags, timeout: timeoutFlag(CHANGE_TIMEOUT_MS) }

export const dryRunFlag = Flags.boolean({
  summary: 'Only show the steps and their quorum arithmetic.',
  default: false,
})
export const yesFlag = Flags.boolean({ summary: 'Do not ask.', char: 'y', default: false })
export const waitFlag = Flags.boolean({
  summary: 'Wait until the member has its vote (the default), or has caught up where it gets none.',
  allowNo: true,
  default: true,
})

/** Where a newcomer is; of a node on this machine both are made. */
export const placeFlags = {
  address: Flags.string({
    summary: 'Where it listens; a free loopback port if absent and the cluster is local.',
    helpValue: 'HOST:PORT',
  }),
  'public-key': Flags.string({
    summary: 'Its public key (base64 or a .pub file), made on its own host.',
    helpValue: 'KEY|FILE',
  }),
  zone: Flags.string({ summary: 'Its zone.', helpValue: 'ZONE' }),
}
