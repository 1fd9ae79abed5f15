/**
 * The scenario format: complaints name their place, the rules of every story can fail, and the
 * documents list exactly what exists.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import {
  CLUSTER_FACTS,
  listScenarios,
  NODE_FACTS,
  NODE_SPECIALS,
  RULES,
  runScenario,
  STEPS,
} from '../../src/simulator/scenario/index.js'

const story = (steps: string, head = 'nodes: 3') => `title: t\nwhy: w\nsource: s\n${head}\nsteps:\n${steps}`

async function failureOf(steps: string, head?: string): Promise<string> {
  const { failure } = await runScenario(story(steps, head), 'story.yaml')
  return failure === null ? 'none' : `${failure.line}/${failure.step}: ${failure.message}`
}

describe('what is wrong is told with its place', () => {
  it.each([
    ['  - fly: n1', 'story.yaml:6: steps[1] is no step: fly'],
    ['  - tick: n9', 'story.yaml:6: tick names an unknown node'],
    ['  - expect: { n1: { colour: red } }', 'story.yaml:6: expect.n1.colour is not known of a node'],
    ['  - deliver: n1 - n2', 'story.yaml:6: deliver has to be'],
    ['  - deliver: n1 -> n2 letter', 'names an unknown message'],
    ['  - {}', 'has to be a mapping with one key'],
    ['  - *anchor', 'story.yaml:6'],
    ['  - expect: { answers: { p: 1 } }', 'is the answer to nothing'],
  ])('%s', async (step, complaint) => {
    const told = complaint.replace('tick names', 'steps[1].tick names').replace('expect.n1', 'steps[1].expect.n1')
    await expect(runScenario(story(step), 'story.yaml')).rejects.toThrow(
      told.replace(': deliver', ': steps[1].deliver'),
    )
  })

  it('in the head too', async () => {
    await expect(
      runScenario('title: t\nwhy: w\nsource: s\nnodes: 3\ncolour: red\nsteps: []\n', 'a.yaml'),
    ).rejects.toThrow('a.yaml:5: colour is not known here')
    await expect(runScenario('title: t\n', 'a.yaml')).rejects.toThrow('lacks')
    await expect(runScenario('', 'a.yaml')).rejects.toThrow('a.yaml is empty')
    await expect(runScenario(story('  - tick: n1', 'nodes: 3\nnever: [rain]'))).rejects.toThrow('has to be one of')
    await expect(runScenario(story('  - tick: n1', 'nodes: { n1: { log: [2, 1] } }'))).rejects.toThrow(
      'terms that go back',
    )
  })

  it('an expectation that does not hold: its own line, and the number of the step', async () => {
    expect(await failureOf('  - elect: n1\n  - expect:\n      n1: { role: leader }\n      n2: { term: 7 }')).toBe(
      '9/2: steps[2].expect.n2.term is 1, not 7',
    )
    expect(await failureOf('  - deliver: n1 -> n2')).toBe('6/1: no message is on its way for n1 -> n2')
    expect(await failureOf('  - crash: n1\n  - tick: n1')).toBe('7/2: n1 is not running')
  })
})

describe('the rules can fail', () => {
  const FORGED_VOTE = (to: string) =>
    `  - send: { from: n2, to: ${to}, message: requestVoteReply, term: 1, granted: true }\n`

  it('two leaders in a term: both get a vote that n2 never gave', async () => {
    const steps = `  - campaign: [n1, n3]\n  - deliver: any -> n2\n  - deliver: n2 -> any\n${FORGED_VOTE('n1')}${FORGED_VOTE('n3')}`
    const told = await failureOf(`${steps}  - deliver: n2 -> any requestVoteReply\n`)
    expect(told).toBe('11/6: two leaders in a term: n1 and n3 both lead term 1')
  })

  it('a commit without a quorum: n2 and n3 are made to acknowledge what they do not have', async () => {
    const steps = `  - elect: n1\n  - cut: n1 -> any\n  - propose: n1
  - send: { from: n2, to: n1, message: appendEntriesReply, term: 1, match: 2 }\n  - deliver: n2 -> n1\n`
    expect(await failureOf(steps)).toBe('10/5: a commit without a quorum: entry 2 of term 1')
  })

  it('two entries at one place: a leader of the same term with another history', async () => {
    const steps = `  - send: { from: n1, to: n2, message: appendEntries, term: 2, log: [1, 2] }
  - send: { from: n1, to: n3, message: appendEntries, term: 2, log: [2, 2] }\n  - deliver: any -> any\n`
    expect(await failureOf(steps)).toContain('two entries at one place')
  })

  it('two committed entries at one index: a leader that overwrites what is committed', async () => {
    const steps = `  - send: { from: n1, to: n2, message: appendEntries, term: 1, log: [1], commit: 1 }
  - send: { from: n1, to: n3, message: appendEntries, term: 2, log: [2], commit: 1 }\n  - deliver: any -> any\n`
    expect(await failureOf(steps, 'nodes: { n1: { played: by hand }, n2: {}, n3: {} }')).toContain(
      'two committed entries at one index',
    )
  })

  it('a leader without a committed entry: its log is behind and the votes are forged', async () => {
    const head = 'nodes: { n1: { log: [1, 1], commit: 2 }, n2: { played: by hand }, n3: { log: [1], commit: 1 } }'
    const steps = `  - campaign: n3\n  - send: { from: n2, to: n3, message: preVoteReply, term: 2, granted: true }
  - deliver: n2 -> n3\n  - send: { from: n2, to: n3, message: requestVoteReply, term: 2, granted: true }\n  - deliver: n2 -> n3\n`
    expect(await failureOf(steps, head)).toBe(
      '10/5: a leader without a committed entry: n3 leads term 2 without committed entry 2',
    )
  })

  it('what a story says must never hold', async () => {
    expect(await failureOf('  - elect: n1\n', 'nodes: 3\nnever: [{ n1: { role: leader } }]')).toContain(
      'must never hold',
    )
  })
})

it('a story goes the same way every time', async () => {
  const text = story('  - wait: 3000\n  - expect: { n1: { term: 0 } }', 'nodes: 5\nseed: 42')
  expect(await runScenario(text)).toEqual(await runScenario(text))
})

/** First cells of the tables below a heading, without their quotes. */
function listed(document: string, heading: string, table = 0): string[] {
  const section = document.split(/^## /m).find((part) => part.startsWith(heading)) ?? ''
  const tables = section.split(/\n(?=\| (?:Field|Step|Fact|Rule) )/).slice(1)
  return [...(tables[table] ?? '').matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1] as string).sort()
}

describe('the documents', () => {
  it('list every step, fact and rule, and no other', async () => {
    const document = await readFile('docs/testing/scenarios.md', 'utf8')
    expect(listed(document, 'Steps')).toEqual(Object.keys(STEPS).sort())
    expect(listed(document, 'Expectations')).toEqual([...Object.keys(NODE_FACTS), ...Object.keys(NODE_SPECIALS)].sort())
    expect(listed(document, 'Expectations', 1)).toEqual(Object.keys(CLUSTER_FACTS).sort())
    expect(listed(document, 'Rules')).toEqual([...RULES].sort())
  })

  it('show an example that runs', async () => {
    const document = await readFile('docs/testing/scenarios.md', 'utf8')
    const [, example = ''] = /```yaml\n([\s\S]*?)```/.exec(document) ?? []
    expect((await runScenario(example)).failure).toBeNull()
  })

  it('conformance names every scenario, and only files that exist', async () => {
    const document = await readFile('docs/testing/conformance.md', 'utf8')
    const named = new Set(
      [...document.matchAll(/`((?:fixtures|test|src)\/[^`]+)`/g)].map((match) => match[1] as string),
    )
    expect([...named].filter((path) => !existsSync(path))).toEqual([])
    expect((await listScenarios('fixtures/scenarios')).filter((path) => !named.has(path))).toEqual([])
  })
})
