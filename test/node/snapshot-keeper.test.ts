/**
 * A node whose log is damaged holds a snapshot of more than its core knows to be committed. Whatever asks for space or
 * for a snapshot then, an operator or a full disk, tells the core nothing of it, and lets the files be.
 */
import { describe, expect, it, vi } from 'vitest'
import type { Core } from '../../src/consensus/core.js'
import type { Entry } from '../../src/consensus/entry.js'
import type { SnapshotOffer } from '../../src/consensus/snapshot.js'
import { DEFAULT_NODE_LIMITS } from '../../src/node/limits.js'
import type { LogStore, SnapshotInfo } from '../../src/node/ports.js'
import { SnapshotKeeper, type SnapshotKeeperOptions } from '../../src/node/snapshot-keeper.js'

const SNAPSHOT_AT = 128

/**
 * A keeper of a node whose newest snapshot is at 128, and what it tells its core. With `arrives` that one comes after the
 * start, and is the next that is due.
 */
function keeperAt(
  knownCommit: number,
  logBase = 0,
  arrives = false,
): { keeper: SnapshotKeeper; told: SnapshotOffer[]; commit: (index: number) => void } {
  const told: SnapshotOffer[] = []
  let commitIndex = knownCommit
  let isThere = !arrives
  const snapshot = { base: { index: SNAPSHOT_AT }, id: new Uint8Array(32), bytes: 1, certificate: null }
  const last = { index: SNAPSHOT_AT, chain: new Uint8Array(32) }
  const options = {
    core: {
      status: () => ({ commitIndex, firstIndex: logBase + 1, peers: [] }),
      entry: () => undefined,
    } as unknown as Core,
    execution: { appliedIndex: SNAPSHOT_AT, isBetweenEntries: true, machine: { operationsApplied: 0 } },
    log: {
      countBack: () => 0,
      read: async (index: number) => (index === SNAPSHOT_AT && logBase > 0 ? [last] : []),
      restored: { base: { index: logBase }, snapshot: null },
    } as unknown as LogStore,
    snapshots: { list: () => (isThere ? [snapshot as unknown as SnapshotInfo] : []), retain: async () => {} },
    limits: { ...DEFAULT_NODE_LIMITS, ...(arrives ? { snapshotEntries: SNAPSHOT_AT } : {}) },
    checkpoints: null,
    onTaken: (taken: SnapshotOffer) => told.push(taken),
  }
  const commit = (index: number): void => {
    commitIndex = index
  }
  const keeper = new SnapshotKeeper(options as unknown as SnapshotKeeperOptions)
  isThere = true
  return { keeper, told, commit }
}

const ASKED: Record<string, (keeper: SnapshotKeeper) => Promise<unknown>> = {
  'a full disk': (keeper) => keeper.shrink(),
  'an order to compact': (keeper) => keeper.compact(),
  'an order for a snapshot': (keeper) => keeper.take(false),
}

describe('the newest snapshot', () => {
  for (const [what, ask] of Object.entries(ASKED)) {
    it(`is told to the core on ${what}`, async () => {
      const { keeper, told } = keeperAt(SNAPSHOT_AT)
      await ask(keeper)
      expect(told.map(({ base }) => base.index)).toEqual([SNAPSHOT_AT])
    })

    it(`is not told to a core that does not know it to be committed, on ${what}`, async () => {
      const { keeper, told } = keeperAt(50)
      await ask(keeper)
      expect(told).toEqual([])
    })
  }
})

describe('a snapshot that came from elsewhere and is the one that falls due', () => {
  it('is told once, and none is due any more', async () => {
    const { keeper, told } = keeperAt(SNAPSHOT_AT, 0, true)
    keeper.noteApplied({ index: SNAPSHOT_AT, header: new Uint8Array(8), body: new Uint8Array(8) } as unknown as Entry)
    keeper.takeIfDue()
    await vi.waitFor(() => expect(keeper.isTaking).toBe(false))
    expect(told.map(({ base }) => base.index)).toEqual([SNAPSHOT_AT])
    keeper.takeIfDue()
    expect(keeper.isTaking).toBe(false)
  })
})

describe('a log whose beginning no snapshot covers, because damage cut it before the newest one', () => {
  const BASE = 70

  it('has it told as soon as the core knows it to be committed', async () => {
    const { keeper, told, commit } = keeperAt(BASE, BASE)
    keeper.takeIfDue()
    expect(keeper.isTaking).toBe(false)
    commit(SNAPSHOT_AT)
    keeper.takeIfDue()
    await vi.waitFor(() => expect(told.map(({ base }) => base.index)).toEqual([SNAPSHOT_AT]))
    await vi.waitFor(() => expect(keeper.isTaking).toBe(false))
    keeper.takeIfDue()
    expect(keeper.isTaking).toBe(false)
  })

  it('needs none where one covers it', () => {
    const { keeper } = keeperAt(SNAPSHOT_AT)
    keeper.takeIfDue()
    expect(keeper.isTaking).toBe(false)
  })
})
