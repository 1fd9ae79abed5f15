/** `sim step`: the prompt through a pipe, time travel, and that a repeated past is the same past. */
import { describe, expect, it } from 'vitest'
import { runSimStep } from '../../src/terminal/sim-step.js'
import { freeScenario, STEP_COMMANDS, StepSession } from '../../src/terminal/sim-step-session.js'

async function pipe(lines: string[], file: string | null = null): Promise<{ isClean: boolean; output: string }> {
  let output = ''
  const left = [...lines]
  const isClean = await runSimStep({
    file,
    seed: 7,
    nodes: 3,
    readLine: async () => left.shift() ?? null,
    write: async (text) => {
      output += text
    },
  })
  return { isClean, output }
}

const FIGURE_8 = 'fixtures/scenarios/paper/5.4.2-figure-8.yaml'

describe('sim step', () => {
  it('goes through a story to its end', async () => {
    const { isClean, output } = await pipe(['step', 'list', 'run', 'state', 'step'], FIGURE_8)
    expect(isClean).toBe(true)
    expect(output).toContain('partition: [[n1, n2, n3], [n4, n5]]')
    expect(output).toContain('n5  leader of term 6')
    expect(output).toContain('the story is over')
  })

  it('elects a leader event by event, loses it, and ends with the input', async () => {
    const { isClean, output } = await pipe(['run', 'state', 'do propose: n1', 'quit', 'nonsense'])
    expect(isClean).toBe(true)
    expect(output).toMatch(/n\d {2}leader of term 1/)
    expect(output).not.toContain('nonsense')
  })

  it('tells of mistakes, goes on, and is not clean', async () => {
    const { isClean, output } = await pipe(['fly', 'deliver 9999', 'crash n9', 'back 0', 'do tick: n1', 'state n1'])
    expect(isClean).toBe(false)
    expect(output).toContain('error: there is no command fly')
    expect(output).toContain('names an unknown node')
    expect(output).toContain('no message is on its way for #9999')
    expect(output).toContain('n1  preCandidate')
  })

  it('reports a story that does not go as it is told', async () => {
    const text = `title: t\nwhy: w\nsource: s\nnodes: 1\nsteps:\n  - campaign: n1\n  - expect: { n1: { term: 9 } }\n`
    const session = await StepSession.open({ text, file: 'story.yaml' })
    expect(await session.execute('run')).toContain(
      'story.yaml:7: expect.n1.term is 1, not 9'.replace('expect', 'steps[2].expect'),
    )
    expect(session.failed).toBe(true)
    expect(await session.execute('back')).toContain('at step 1 of 2')
    expect(session.failed).toBe(false)
  })

  it('goes back to exactly what was', async () => {
    const session = await StepSession.open({ text: freeScenario(3, 3), file: 'seed 3' })
    const look = async () => `${await session.execute('state')}\n${await session.execute('messages')}`
    const seen = [await look()]
    for (let i = 0; i < 40; i++) {
      await session.execute(i === 20 ? 'crash n2' : i === 30 ? 'restart n2' : 'step')
      seen.push(await look())
    }
    expect(new Set(seen).size).toBeGreaterThan(20)
    for (let i = 39; i >= 0; i -= 3) {
      await session.execute('back 3')
      if (i - 2 >= 0) expect(await look()).toBe(seen[i - 2])
    }
  })

  it('delivers and drops by number, and lists its commands', async () => {
    const session = await StepSession.open({ text: freeScenario(1, 3), file: 'seed 1' })
    await session.execute('do tick: n1')
    expect(await session.execute('messages')).toMatch(/^#1 n1 -> n2 preVote .*\n#2 n1 -> n3 preVote/)
    await session.execute('drop 1')
    await session.execute('deliver 2')
    expect(await session.execute('messages')).toMatch(/^#3 n3 -> n1 preVoteReply/)
    const help = await session.execute('help')
    for (const [usage] of STEP_COMMANDS) expect(help).toContain(usage)
  })
})
