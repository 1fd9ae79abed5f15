/** `sim run FILE.yaml`: one story, told step by step, and where it did not go as told. */
import { emptyReport } from '../simulator/campaign.js'
import { runScenarioFile, type ScenarioResult } from '../simulator/scenario/index.js'
import type { Output } from './printer.js'
import { type SimReport, simulationOutput } from './sim-run.js'

/** Throws `InvalidFile` where the file is not a scenario. */
export async function runStory(path: string): Promise<SimReport & { readonly scenario: ScenarioResult }> {
  const startedMs = performance.now()
  const scenario = await runScenarioFile(path)
  const replay = `knhk sim run ${path}`
  return {
    ...emptyReport(),
    violations: scenario.failure === null ? [] : [{ seed: 0, invariant: 'scenario', replay }],
    elapsedSeconds: (performance.now() - startedMs) / 1000,
    scenario,
  }
}

export function storyOutput(report: SimReport & { readonly scenario: ScenarioResult }): Output {
  const { scenario } = report
  return {
    ...simulationOutput(report),
    text: async ({ fields, paint }) => {
      const { failure, title, source, steps } = scenario
      const head = fields([
        ['scenario', title],
        ['source', source],
        ['steps', steps],
        ['verdict', failure === null ? paint('green', 'went as told') : paint('red', `failed at step ${failure.step}`)],
      ])
      if (failure === null) return head
      return `${head}\n${failure.file}:${failure.line}: ${failure.text}\n${failure.message}`
    },
  }
}
