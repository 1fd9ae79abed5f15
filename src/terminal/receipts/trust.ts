/** What a verifier on this machine believes: a cluster file, and the one rule for signatures. */
import type { ClusterConfiguration } from '../../consensus/configuration.js'
import { sha256 } from '../../crypto/sha256.js'
import { configurationHash } from '../../node/compose.js'
import type { Trust } from '../../workflow/receipts/verify.js'
import { pinnedRule } from '../logs/certificates.js'

export function trustIn(configuration: ClusterConfiguration): Trust {
  return { sha256, configuration, clusterConfigHash: configurationHash(sha256, configuration), holds: pinnedRule() }
}
