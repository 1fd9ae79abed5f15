/**
 * Shows members that come and go with real processes: a cluster that grows from one node to five and
 * shrinks to three under load, its leader removed on the way, stays linearizable and loses no write;
 * commands that were killed are finished by running them again; what cannot be is refused; and a member
 * that was removed finds the door shut.
 */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ClusterStatus } from '../../src/client/api.js'
import { runningPid } from '../../src/cluster/processes.js'
import { judgeHistory, longestGapMs } from '../chaos/verdict.js'
import { CheckedCommands } from '../commands/checked-commands.js'
import { eventually, type World } from './harness.js'
import { Load } from './load.js'

let world: World
let commands: CheckedCommands
beforeEach(async () => {
  commands = await CheckedCommands.make()
  world = commands.world
})
afterEach(() => world.remove())

interface Change {
  readonly changed: boolean
  readonly index: number
  readonly voters: readonly string[]
  readonly failuresTolerated: number
  readonly steps: readonly { readonly action: string; readonly text: string }[]
  readonly added: readonly { readonly id: string; readonly pid: number | null; readonly dataDir: string | null }[]
  readonly removed: readonly { readonly id: string; readonly outcome: string | null; readonly dataDir: string }[]
}

interface Members {
  readonly index: number
  readonly committed: boolean
  readonly joint: boolean
  readonly leader: string | null
  readonly members: readonly {
    readonly id: string
    readonly role: string
    readonly active: boolean | null
    readonly lagEntries: number | null
  }[]
}

interface Why {
  readonly healthy: boolean
  readonly findings: readonly { readonly code: string; readonly node: string | null; readonly message: string }[]
}

const json = <T>(id: string, ...args: string[]) => commands.json<T>(id, ...args)
const failure = (...words: string[]) => commands.code(...words)
const up = (nodes: number) => json('up', '--nodes', String(nodes), '--detach')
const add = (id: string, ...args: string[]) => json<Change>('cluster members add', id, ...args)
const remove = (id: string) => json<Change>('cluster members remove', id, '--yes')
const list = () => json<Members>('cluster members list')
const votersOf = ({ members }: Members) => members.filter(({ role }) => role === 'voter').map(({ id }) => id)

it('grows from one node to five and shrinks to three under load, without its leaders, and loses nothing', async () => {
  await up(1)
  const load = await Load.start(world)
  for (const id of ['n2', 'n3', 'n4', 'n5']) {
    const added = await add(id)
    expect(added).toMatchObject({ changed: true, added: [{ id }] })
    expect(added.voters).toContain(id)
    load.nextPhase()
  }
  expect(votersOf(await list())).toEqual(['n1', 'n2', 'n3', 'n4', 'n5'])
  const leaders: string[] = []
  for (let round = 0; round < 2; round++) {
    const { leader } = await list()
    leaders.push(leader as string)
    const { removed } = await remove(leader as string)
    expect(removed).toMatchObject([{ id: leader, outcome: 'stopped' }])
    expect(await runningPid(world.dir, leader as string)).toBeNull()
    load.nextPhase()
  }
  const before = load.acknowledged
  await eventually('the three that are left go on', async () => load.acknowledged > before + 50)
  const history = await load.stop()

  expect(history.filter(({ outcome }) => outcome !== 'ok')).toEqual([])
  judgeHistory(history)
  await json('wait', '--for', 'converged', '--timeout', '10')
  expect((await json<{ members: number }>('wait', '--for', 'members=3')).members).toBe(3)
  const status = await json<ClusterStatus>('status')
  expect(status.nodes.map(({ id }) => id)).toEqual(['n1', 'n2', 'n3', 'n4', 'n5'].filter((id) => !leaders.includes(id)))
  expect(await json<Why>('why')).toEqual({ healthy: true, findings: [] })
  process.stdout.write(
    `membership under load: ${history.length} operations, longest time without a committed write ${longestGapMs(history)} ms\n`,
  )
}, 60_000)

it('commands that were killed are finished by running them again, and again changes nothing', async () => {
  await up(1)
  // The earlier ones end it before it has made anything, the later ones between its steps.
  for (const [at, afterMs] of [150, 300, 450, 600, 900].entries()) {
    const id = `n${at + 2}`
    const running = world.start(['cluster', 'members', 'add', id, '--json'])
    setTimeout(() => running.kill('SIGKILL'), afterMs)
    await running
    const finished = await add(id)
    expect(finished.voters).toContain(id)
    const again = await add(id)
    expect(again).toMatchObject({ changed: false, steps: [], index: finished.index })
    expect(again.added).toEqual(finished.added)
  }
  const gone = await remove('n6')
  expect(await remove('n6')).toMatchObject({ changed: false, steps: [], index: gone.index })
  // What was added belongs to the directory like what was there at the beginning.
  await json('down')
  await up(1)
  expect(votersOf(await list())).toEqual(['n1', 'n2', 'n3', 'n4', 'n5'])
}, 60_000)

it('a learner has no vote until it is promoted, and a leader hands over where it is told', async () => {
  await up(1)
  const learner = await add('n2', '--learner', '--zone', 'b')
  expect(learner).toMatchObject({ voters: ['n1'], failuresTolerated: 0 })
  const status = await json<ClusterStatus>('status')
  expect(status.nodes.map(({ id, role, zone }) => [id, role, zone])).toEqual([
    ['n1', 'leader', 'local'],
    ['n2', 'learner', 'b'],
  ])
  expect(await failure('cluster', 'transfer-leader', 'n2')).toEqual([2, 'InvalidArgument'])
  expect(await failure('cluster', 'transfer-leader', 'n9')).toEqual([4, 'NotFound'])
  const dry = await json<Change>('cluster members promote', 'n2', '--dry-run')
  expect(dry.steps.map(({ action }) => action)).toEqual(['promote'])
  expect(dry.steps[0]?.text).toContain('1 → 2 voters: a quorum is 2, no failure tolerated')
  expect(await json<Change>('cluster members promote', 'n2')).toMatchObject({ changed: true, voters: ['n1', 'n2'] })
  expect(await json<Change>('cluster members promote', 'n2')).toMatchObject({ changed: false })
  expect(await json('cluster transfer-leader', 'n2')).toMatchObject({ from: 'n1', to: 'n2', changed: true })
  expect(await json('cluster transfer-leader', 'n2')).toMatchObject({ from: 'n2', to: 'n2', changed: false })
  expect(await json('cluster transfer-leader')).toMatchObject({ from: 'n2', to: 'n1', changed: true })
}, 60_000)

it('a plan is refused once the members have changed, and carried out as a whole before', async () => {
  await up(3)
  const plans = ['first', 'second'].map((name) => join(world.base, `${name}.json`)) as [string, string]
  await json('cluster members plan', '--add', 'n4', '--remove', 'n1', '--out', plans[0])
  await json('cluster members plan', '--remove', 'n2', '--out', plans[1])
  expect(await failure('cluster', 'members', 'apply', plans[0])).toEqual([2, 'Usage'])
  const done = await json<Change>('cluster members apply', plans[0], '--yes')
  expect(done).toMatchObject({ changed: true, voters: ['n2', 'n3', 'n4'] })
  expect(await json<Change>('cluster members apply', plans[0], '--yes')).toMatchObject({ changed: false })
  expect(await failure('cluster', 'members', 'apply', plans[1], '--yes')).toEqual([9, 'StalePlan'])
  expect(votersOf(await list())).toEqual(['n2', 'n3', 'n4'])

  const replaced = await json<Change>('cluster members replace', 'n3', '--yes')
  expect(replaced).toMatchObject({ voters: ['n2', 'n4', 'n3-2'], added: [{ id: 'n3-2' }] })
  // Its data is kept, its name is not given away again.
  expect((await world.run(['log', 'verify', '--data-dir', replaced.removed[0]?.dataDir ?? ''])).exitCode).toBe(0)
  expect(await failure('cluster', 'members', 'add', 'n3')).toEqual([8, 'Refused'])
}, 60_000)

it('refuses what would leave nobody to decide, and says why nothing is decided', async () => {
  await up(3)
  await world.endNode('n3', 'SIGKILL')
  const isDown = async () => {
    const { findings } = await json<Why>('why')
    return findings.length === 1 && findings[0]?.code === 'Unreachable' && findings[0].node === 'n3'
  }
  await eventually('why names the node that is down', isDown)
  // A leader that was elected just now counts everybody as heard for one election time-out.
  const isSilent = async () => (await list()).members.some(({ id, active }) => id === 'n3' && active === false)
  await eventually('the leader misses it', isSilent)
  // Of the two that would be left one is dead: nothing could be committed any more.
  expect(await failure('cluster', 'members', 'remove', 'n2', '--yes')).toEqual([8, 'Refused'])
  expect((await remove('n3')).voters).toEqual(['n1', 'n2'])
  expect((await remove('n1')).voters).toEqual(['n2'])
  expect(await failure('cluster', 'members', 'remove', 'n2', '--yes')).toEqual([8, 'Refused'])
  expect(await failure('cluster', 'members', 'remove', 'n9', '--yes')).toEqual([4, 'NotFound'])

  await add('n4')
  await world.endNode('n4', 'SIGKILL')
  await eventually('why says what is missing', async () => {
    const codes = (await json<Why>('why')).findings.map(({ code }) => code)
    return ['Unreachable', 'NoQuorum', 'NoLeader'].every((code) => codes.includes(code))
  })
  const { findings } = await json<Why>('why')
  expect(findings.find(({ code }) => code === 'NoQuorum')?.message).toContain('2 of the 2 voters')
  expect(await failure('cluster', 'members', 'add', 'n5', '--timeout', '3')).toEqual([7, 'NoLeader'])
  await world.endNode('n2', 'SIGKILL')
  expect(await failure('why')).toEqual([5, 'Unreachable'])
  expect(await failure('cluster', 'members', 'list')).toEqual([5, 'Unreachable'])
}, 60_000)

it('a member that was removed cannot come back, not even with its key, its data and the old cluster file', async () => {
  await up(3)
  const oldFile = join(world.base, 'old.yaml')
  await copyFile(join(world.dir, 'cluster.yaml'), oldFile)
  await json('cluster transfer-leader', 'n1')
  await remove('n3')
  expect(await failure('node', 'start', '--node', 'n3')).toEqual([4, 'NotFound'])
  const { term } = await json<ClusterStatus>('status')

  const home = join(world.dir, 'nodes', 'n3')
  const place = ['--cluster', oldFile, '--key', join(home, 'node'), '--data-dir', join(home, 'data')]
  const { KNHK_DIR: _, ...env } = world.env
  const outsider = Object.assign(Object.create(Object.getPrototypeOf(world)) as World, world, { env })
  const stranger = outsider.start(['node', 'start', '--node', 'n3', ...place])
  try {
    for (const id of ['n1', 'n2']) {
      await eventually(`${id} refuses it`, async () => (await world.log(id)).some(({ code }) => code === 'UnknownKey'))
    }
    expect((await world.run(['kv', 'put', 'k', 'v'])).exitCode).toBe(0)
    expect((await json<ClusterStatus>('status')).term).toBe(term)
    expect(votersOf(await list())).toEqual(['n1', 'n2'])
  } finally {
    stranger.kill('SIGKILL')
    await stranger
  }
}, 60_000)
