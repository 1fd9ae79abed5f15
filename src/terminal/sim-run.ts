/** `sim run`: what a campaign of the simulator came to. */
import { sha256 } from '../crypto/sha256.js'
import { type CampaignOptions, type CampaignReport, runCampaign } from '../simulator/campaign.js'
import type { Output } from './printer.js'

export function simulate(options: Omit<CampaignOptions, 'sha256'>): Promise<CampaignReport> {
  return runCampaign({ ...options, sha256 })
}

export function simulationOutput(report: CampaignReport): Output {
  return {
    value: report,
    items: report.violations,
    ids: report.violations.map(({ seed }) => String(seed)),
    text: async ({ fields, table, paint }) => {
      const struck = Object.entries(report.faults).filter(([, count]) => count > 0)
      const isClean = report.violations.length === 0
      const head = fields([
        ['verdict', isClean ? paint('green', 'no violation') : paint('red', `${report.violations.length} violations`)],
        ['seeds', `${report.seeds}, of which ${report.counted} count`],
        ['commits', report.commits],
        ['leader changes', report.leaderChanges],
        ['faults', struck.map(([id, count]) => `${id} ${count}`).join(', ')],
        ['simulated', `${report.simulatedSeconds.toFixed(1)} s in ${report.elapsedSeconds.toFixed(1)} s`],
      ])
      if (isClean) return head
      const rows = report.violations.map(({ seed, invariant, replay }) => [seed, invariant, replay])
      return `${head}\n${await table(['seed', 'invariant', 'replay'], rows)}`
    },
  }
}
