/** Scenario files: stories about a cluster that are run step by step. See docs/testing/scenarios.md. */
export { CLUSTER_FACTS, NODE_FACTS, NODE_SPECIALS } from './expect.js'
export { RULES } from './rules.js'
export {
  listScenarios,
  readScenario,
  runScenario,
  runScenarioFile,
  type ScenarioResult,
  ScenarioRun,
} from './run.js'
export { STEPS } from './steps.js'
export { describeMessage } from './wire.js'
