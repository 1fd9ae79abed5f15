/**
 * Shows the files of a local cluster and of a user: making a cluster is idempotent and survives an
 * interruption, contexts and targets resolve in their documented order, and locks of the dead are
 * taken over.
 */
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readClusterFile } from '../../src/cluster/cluster-file.js'
import { addContext, contextsFile, readContexts, removeContext, useContext } from '../../src/cluster/contexts.js'
import { initCluster, localMembers } from '../../src/cluster/init.js'
import { clusterPaths, nodePaths } from '../../src/cluster/layout.js'
import { withLock } from '../../src/cluster/lock.js'
import { runningPid } from '../../src/cluster/processes.js'
import { resolveTarget } from '../../src/cluster/target.js'

let base: string
let environment: Record<string, string>

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'knhk-local-'))
  environment = { KNHK_CONFIG_HOME: join(base, 'config') }
})
afterEach(() => rm(base, { recursive: true, force: true }))

const code = (wanted: string) => expect.objectContaining({ code: wanted })

describe('cluster init', () => {
  it('makes keys, data directories and the file, and leaves them alone the second time', async () => {
    const dir = join(base, 'demo')
    const first = await initCluster({ dir, members: localMembers(3) })
    expect(first.created).toBe(true)
    expect(first.configuration.members.map((member) => member.id)).toEqual(['n1', 'n2', 'n3'])
    expect(new Set(first.configuration.members.map((member) => member.address)).size).toBe(3)
    expect((await stat(`${nodePaths(dir, 'n2').key}.key`)).mode & 0o777).toBe(0o600)
    const before = await readFile(first.clusterFile, 'utf8')
    const second = await initCluster({ dir, members: localMembers(5) })
    expect(second.created).toBe(false)
    expect(await readFile(first.clusterFile, 'utf8')).toBe(before)
    expect(second.configuration).toEqual(await readClusterFile(first.clusterFile))
  })

  it('finishes what an interrupted attempt had planned', async () => {
    const dir = join(base, 'demo')
    const { clusterFile, plan } = clusterPaths(dir)
    await initCluster({ dir, members: localMembers(2) })
    const text = await readFile(clusterFile, 'utf8')
    // As it was just before the cluster file came into being, with one member not yet formatted.
    await rm(clusterFile)
    await writeFile(plan, text)
    await rm(nodePaths(dir, 'n2').data, { recursive: true })
    const again = await initCluster({ dir, members: localMembers(4) })
    expect(again.created).toBe(true)
    expect(await readFile(clusterFile, 'utf8')).toBe(text)
    await expect(stat(plan)).rejects.toThrow()
    await expect(stat(join(nodePaths(dir, 'n2').data, 'identity.json'))).resolves.toBeDefined()
  })

  it('refuses a plan that cannot be', async () => {
    const member = (id: string, address: string | null = null) => ({ id, address, zone: null, publicKey: null })
    const make = (members: ReturnType<typeof member>[], protocol: 'raft' | 'hybrid' = 'raft') =>
      initCluster({ dir: join(base, 'x'), members, protocol })
    await expect(make([])).rejects.toEqual(code('InvalidArgument'))
    await expect(make([member('n1'), member('n1')])).rejects.toEqual(code('InvalidArgument'))
    await expect(make([member('../n1')])).rejects.toEqual(code('InvalidArgument'))
    await expect(make([member('n1')], 'hybrid')).rejects.toEqual(code('InvalidArgument'))
    await expect(make([member('n1', 'nowhere')])).rejects.toEqual(code('InvalidClusterFile'))
    const smallOrder = new Uint8Array(32)
    smallOrder[0] = 1
    const bad = { ...member('n1'), publicKey: smallOrder }
    await expect(initCluster({ dir: join(base, 'y'), members: [bad] })).rejects.toEqual(code('InvalidClusterFile'))
  })
})

describe('contexts', () => {
  const context = { clusterFile: '/a/cluster.yaml', keyPath: '/a/key', endpoints: null }

  it('are added, used and removed; the first one is current', async () => {
    await addContext(environment, 'a', context)
    await addContext(environment, 'b', { ...context, endpoints: ['n1'] })
    expect((await readContexts(environment)).current).toBe('a')
    await useContext(environment, 'b')
    const read = await readContexts(environment)
    expect(read.current).toBe('b')
    expect(read.contexts.get('b')?.endpoints).toEqual(['n1'])
    expect((await removeContext(environment, 'b')).current).toBeNull()
    await expect(useContext(environment, 'b')).rejects.toEqual(code('NotFound'))
    await expect(addContext(environment, '../x', context)).rejects.toEqual(code('InvalidArgument'))
  })

  it.each([
    '',
    '{',
    '[]',
    '{"version":2}',
    '{"version":1,"current":1,"contexts":{}}',
    '{"version":1,"current":null,"contexts":{"a":1}}',
  ])('refuse the file %j and keep it', async (text) => {
    await mkdir(join(base, 'config'))
    await writeFile(contextsFile(environment), text)
    await expect(readContexts(environment)).rejects.toEqual(code('InvalidFile'))
    await expect(addContext(environment, 'a', context)).rejects.toEqual(code('InvalidFile'))
    expect(await readFile(contextsFile(environment), 'utf8')).toBe(text)
  })
})

describe('targets', () => {
  it('prefer flags to variables to the current context', async () => {
    const dirs = ['flag', 'variable', 'context'].map((name) => join(base, name))
    for (const dir of dirs) await initCluster({ dir, members: localMembers(1) })
    const [flag, variable, named] = dirs as [string, string, string]
    await addContext(environment, 'c', {
      clusterFile: join(named, 'cluster.yaml'),
      keyPath: clusterPaths(named).adminKey,
      endpoints: null,
    })
    const both = { ...environment, KNHK_DIR: variable }
    expect((await resolveTarget({ dir: flag }, both)).dir).toBe(flag)
    expect((await resolveTarget({}, both)).dir).toBe(variable)
    expect((await resolveTarget({}, environment)).name).toBe('c')
    expect((await resolveTarget({ context: 'c' }, both)).dir).toBe(named)
    expect((await resolveTarget({ dir: flag, key: join(variable, 'k.key') }, {})).keyPath).toBe(join(variable, 'k'))
  })

  it('say what is missing or wrong', async () => {
    const dir = join(base, 'demo')
    const { configuration } = await initCluster({ dir, members: localMembers(2) })
    const resolve = (flags: Parameters<typeof resolveTarget>[0]) => resolveTarget(flags, environment)
    await expect(resolve({})).rejects.toEqual(code('Usage'))
    await expect(resolve({ context: 'none' })).rejects.toEqual(code('NotFound'))
    await expect(resolve({ dir: join(base, 'none') })).rejects.toEqual(code('NotFound'))
    await expect(resolve({ dir, context: 'none' })).rejects.toEqual(code('Usage'))
    await expect(resolve({ cluster: join(dir, 'cluster.yaml') })).rejects.toEqual(code('Usage'))
    await expect(resolve({ dir, endpoints: 'n9' })).rejects.toEqual(code('NotFound'))
    await expect(resolve({ dir, endpoints: 'n1=nowhere' })).rejects.toEqual(code('InvalidArgument'))
    const { endpoints, configuration: reached } = await resolve({
      dir,
      endpoints: `${configuration.members[1]?.address},n1=h:1`,
    })
    expect(endpoints).toEqual(['n2', 'n1'])
    expect(reached.members[0]?.address).toBe('h:1')
  })
})

describe('locks', () => {
  const options = { timeoutMs: 5_000 }

  it('let one work at a time', async () => {
    const path = join(base, 'lock')
    let inside = 0
    const work = async () => {
      expect(++inside).toBe(1)
      await new Promise((resolve) => setImmediate(resolve))
      inside--
    }
    await Promise.all(Array.from({ length: 4 }, () => withLock(path, options, work)))
    await expect(stat(path)).rejects.toThrow()
  })

  it('are taken over from a process that is gone, not from one that lives', async () => {
    const path = join(base, 'lock')
    // Over the largest process id of any system.
    await writeFile(path, '99999999')
    expect(await withLock(path, options, async () => 'done')).toBe('done')
    await writeFile(path, String(process.pid))
    await expect(withLock(path, { timeoutMs: 10 }, async () => 'done')).rejects.toEqual(code('DeadlineExceeded'))
  })
})

describe('pid files', () => {
  it('count only while they name the node itself', async () => {
    const { dir: nodeDir, pid } = nodePaths(base, 'n1')
    await mkdir(nodeDir, { recursive: true })
    for (const text of ['', 'x', '-1', '1', '99999999', String(process.pid)]) {
      await writeFile(pid, text)
      expect(await runningPid(base, 'n1')).toBeNull()
    }
  })
})
