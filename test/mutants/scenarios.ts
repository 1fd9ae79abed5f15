/**
 * The program that runs scenario files over a compiled copy, in one process. It writes the name of each
 * scenario that does not go as it is told, one a line.
 */
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'

type Scenarios = typeof import('../../src/simulator/scenario/index.js')

export interface ScenarioPlan {
  /** Compiled sources. */
  readonly dist: string
  /** Where the scenario files are. */
  readonly directory: string
}

export async function runScenarios({ dist, directory }: ScenarioPlan): Promise<void> {
  const href = pathToFileURL(join(dist, 'simulator', 'scenario', 'index.js')).href
  const { listScenarios, runScenarioFile } = (await import(href)) as Scenarios
  for (const path of await listScenarios(directory)) {
    const name = relative(directory, path).replace(/\.yaml$/, '')
    const failed = await runScenarioFile(path).then(
      ({ failure }) => failure !== null,
      () => true,
    )
    if (failed) process.stdout.write(`${name}\n`)
  }
}
