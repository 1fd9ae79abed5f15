/** Shows that `down` leaves no node behind: not even one that was removed from the cluster and still runs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { markMemberRemoved } from '../../src/cluster/change-members.js'
import { initCluster, localMembers } from '../../src/cluster/init.js'
import { nodePaths } from '../../src/cluster/layout.js'
import { spawnNode, writePidFile } from '../../src/cluster/processes.js'
import { stopLocalCluster } from '../../src/cluster/stop-local.js'

test('a node that runs although it is no member any more is stopped too, one that does not is not mentioned', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'knhk-stop-'))
  try {
    const { clusterFile } = await initCluster({ dir, members: localMembers(3) })
    // Stands for a node: what counts is its command line.
    const script = join(dir, 'idle.mjs')
    await writeFile(script, 'setInterval(() => {}, 1000)')
    const removed = await spawnNode([process.execPath, script], dir, 'n2')
    await writePidFile(nodePaths(dir, 'n2'), removed.pid)
    for (const id of ['n2', 'n3']) await markMemberRemoved(clusterFile, id)

    const stopped = await stopLocalCluster(dir, { graceMs: 5_000 })
    expect(stopped).toEqual([
      { id: 'n1', pid: null, outcome: 'notRunning' },
      { id: 'n2', pid: removed.pid, outcome: 'stopped' },
    ])
    expect(await removed.ended).toEqual({ code: null, signal: 'SIGTERM' })
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})
