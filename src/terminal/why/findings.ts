/** All that is to be said against a cluster, by the rules of the mode that decides in it. */
import { isByzantine } from '../members/look.js'
import { byzantineFindings } from './byzantine-findings.js'
import type { Evidence } from './evidence.js'
import type { Finding } from './finding.js'
import { leaderFindings } from './leader-findings.js'
import { progressFindings } from './progress-findings.js'
import { zoneFindings } from './zone-findings.js'

export function consensusFindings(evidence: Evidence): Finding[] {
  if (isByzantine(evidence.status.mode)) return byzantineFindings(evidence)
  return [...leaderFindings(evidence), ...zoneFindings(evidence), ...progressFindings(evidence)]
}
