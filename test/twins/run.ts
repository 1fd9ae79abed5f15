/**
 * Runs all Twins scenarios of one shape, in their fixed order, as far as the time goes: `npm run test:twins --
 * --protocol pbft --phases 3 --parts 2 --minutes 10`. Writes how many ran; exit code 10 where one forked.
 */
import { sha256 } from '../../src/crypto/sha256.js'
import { allScenarios, runTwins } from '../../src/simulator/twins/twins.js'
import { optionsOf } from '../options.js'

const NODES = 4

const values = optionsOf('npm run test:twins -- [--protocol pbft|hotstuff] [--phases N] [--parts N] [--minutes N]', {
  protocol: { type: 'string', default: 'pbft' },
  phases: { type: 'string', default: '3' },
  parts: { type: 'string', default: '2' },
  minutes: { type: 'string', default: '10' },
})
const protocol = values.protocol === 'hotstuff' ? 'hotstuff' : 'pbft'
const untilMs = performance.now() + Number(values.minutes) * 60_000
let scenarios = 0
let decided = 0
let isComplete = true
for (const scenario of allScenarios(NODES, Number(values.phases), Number(values.parts))) {
  if (performance.now() > untilMs) {
    isComplete = false
    break
  }
  const result = runTwins(protocol, NODES, scenario, sha256)
  scenarios++
  decided += result.decided
  if (result.fork === null) continue
  process.stdout.write(`${JSON.stringify({ scenario, fork: result.fork })}\n`)
  process.exitCode = 10
}
process.stdout.write(`${JSON.stringify({ protocol, scenarios, decided, isComplete })}\n`)
