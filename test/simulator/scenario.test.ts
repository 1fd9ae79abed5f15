/** Every file in fixtures/scenarios goes as it is told. */
import { relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { listScenarios, runScenarioFile } from '../../src/simulator/scenario/index.js'

const DIRECTORY = 'fixtures/scenarios'
const files = await listScenarios(DIRECTORY)

describe('scenarios', () => {
  it('are there', () => {
    expect(files.length).toBeGreaterThanOrEqual(60)
  })

  it.each(files.map((file) => relative(DIRECTORY, file)))('%s', async (name) => {
    const { failure } = await runScenarioFile(`${DIRECTORY}/${name}`)
    if (failure !== null) expect.fail(`${failure.file}:${failure.line}: step ${failure.step}: ${failure.message}`)
  })
})
