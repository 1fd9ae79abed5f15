/**
 * Shows the REPL for a person, on a real terminal (a pty): prompt, completion, history, statements over
 * several lines, Ctrl-C that ends the line or the command but not the session, the simulation inside it, the
 * recording, and notices when the leader changes or the connection is lost.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, World } from '../e2e/harness.js'
import { CTRL_C, CTRL_D, Terminal, UP } from './terminal-session.js'

let world: World

beforeAll(async () => {
  world = await World.make({ quick: true })
  world.env.KNHK_DIR = world.dir
  await world.up()
})
afterAll(() => world.remove())

const SPEC = '5f1b7a52-3a86-4a55-9d1f-0c7b1de3c001'
const PROMPT = /cluster n[123]\* raft e0> $/

describe('the REPL on a terminal', () => {
  it('serves a person', async () => {
    const repl = new Terminal(world, ['repl'])
    await repl.sees(PROMPT)
    await repl.type('kv put greeting hello\r', /is stored.*\s+cluster n/)
    await repl.type('kv g\t', 'kv get')
    await repl.type('greeting\r', /hello\s+cluster n/)
    // A failed command is told and forgotten.
    await repl.type('kv get nope\r', '[KeyNotFound]')
    // Over several lines.
    await repl.type('kv put json {"a":\r', '... ')
    await repl.type('1}\r', /json is stored.*\s+cluster n/)
    // Ctrl-C clears the line, then hints; the session goes on.
    await repl.type('kv put half', 'kv put half')
    await repl.type(CTRL_C, /\^C\s+cluster n/)
    await repl.type('kv get greeting\r', /hello\s+cluster n/)
    await repl.type(CTRL_C, 'Ctrl-D')
    // Ctrl-C ends the command that runs.
    await repl.type('wait --for applied=99999999 --timeout 60\r', 'applied')
    await repl.type(CTRL_C, /\[Aborted\][\s\S]*cluster n/)
    await repl.type(`${UP}${UP}\r`, /hello\s+cluster n/)
    await repl.type('.output json\r', PROMPT)
    await repl.type('kv get greeting\r', '"value": "hello"')
    await repl.type('.hlep\r', 'Did you mean .help?')
    await repl.type('.history 3\r', /kv get greeting\s+.hlep/)
    await repl.type(CTRL_D, '\n')
    expect(await repl.ended).toBe(0)
    const history = (await readFile(join(world.env.XDG_STATE_HOME as string, 'knhk', 'history'), 'utf8')).split('\n')
    expect(history[0]).toBe('kv put greeting hello')
    expect(history).not.toContain('kv put half')
  }, 60_000)

  it('completes case ids, goes through a simulation and back, and writes down what was done', async () => {
    const script = join(world.base, 'recorded.knhk')
    const repl = new Terminal(world, ['repl'])
    await repl.sees(PROMPT)
    await repl.type(`.record ${script}\r`, PROMPT)
    const created = await repl.type(
      `case create --spec-id ${SPEC} --data {"amount":120}\r`,
      /case [0-9a-f-]{36} is created.*\s+cluster n/,
    )
    const id = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(created.slice(created.indexOf('is created') - 40))?.[0] as string
    // The ids are fetched after the command; Tab offers those that are known by then.
    await eventually('the id is completed', async () => {
      const shown = await repl.type(`\u0015case get ${id.slice(0, 4)}\t`, 'case get')
      return shown.includes(id)
    })
    await repl.type('\r', /state +created[\s\S]*cluster n/)
    // Time travel: the same commands as \`knhk sim step\`, on the session's own lines.
    await repl.type('sim step --seed 7\r', /every step is the next event\s+sim> $/)
    await repl.type('step 2\r', /timer of n\d runs out[\s\S]*delivered #1[\s\S]*sim> $/)
    await repl.type('back 1\r', /1 undone\s+after 1 events\s+sim> $/)
    // Ctrl-C leaves the simulation, not the session.
    await repl.type(CTRL_C, /\[Aborted\][\s\S]*cluster n/)
    await repl.type('kv put recorded yes\r', /is stored.*\s+cluster n/)
    await repl.type('kv get nope\r', '[KeyNotFound]')
    await repl.type('.record off\r', PROMPT)
    await repl.type('.exit\r', '\n')
    expect(await repl.ended).toBe(0)
    const lines = await readFile(script, 'utf8')
    expect(lines).toContain('\nkv put recorded yes\n')
    expect(lines).toContain('\n# [KeyNotFound] kv get nope\n')
    expect((await world.run(['repl', '--file', script])).exitCode).toBe(0)
  }, 60_000)

  it('shows the cluster on the whole screen, and comes back', async () => {
    const repl = new Terminal(world, ['repl'])
    await repl.sees(PROMPT)
    await repl.type('.watch 200ms\r', /recent events[\s\S]*Ctrl-C leaves/)
    await repl.type(CTRL_C, PROMPT)
    await repl.type('kv get greeting\r', /hello\s+cluster n/)
    await repl.type('.exit\r', '\n')
    expect(await repl.ended).toBe(0)
  }, 60_000)

  it('tells when the connection is lost, and connects again', async () => {
    const repl = new Terminal(world, ['repl'])
    await repl.sees(PROMPT)
    await world.run(['down'])
    await repl.sees(/no member answers; trying again[\s\S]*not connected> $/)
    await world.up()
    await repl.sees(/connected again[\s\S]*cluster n[123]\* raft e0> $/)
    await repl.type('kv get greeting\r', /hello\s+cluster n/)
    await repl.type('.exit\r', '\n')
    expect(await repl.ended).toBe(0)
  }, 90_000)

  it('tells when the leader changed', async () => {
    const { leader } = await world.json<{ leader: string }>(['status'])
    const repl = new Terminal(world, ['repl'])
    await repl.sees(`cluster ${leader}* raft`)
    await world.endNode(leader, 'SIGKILL')
    const shown = await repl.sees(/leads now, was|no longer leads/)
    expect(shown).toContain(leader)
    await repl.sees(/cluster n[123]\* raft e0> $/)
    await repl.type('.exit\r', '\n')
    expect(await repl.ended).toBe(0)
  }, 60_000)

  it('opens after `up`, on four nodes of the hybrid, and stops what up started when it ends', async () => {
    const repl = new Terminal(world, ['up', '--dir', join(world.base, 'fresh')])
    await repl.sees(/hybrid[\s\S]*n4[\s\S]*fresh n[1-4]\* raft e0 none> $/)
    expect(repl.shown).toContain('directory')
    await repl.type('status\r', 'state digest')
    await repl.type('exit\r', 'stopped')
    expect(await repl.ended).toBe(0)
  }, 60_000)
})
