/** Shows how nodes whose states differ at one index are found: a majority decides who is wrong, and that one is told. */
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../src/consensus/core.js'
import { logIndex, type NodeId } from '../../src/consensus/types.js'
import { members } from './disk.js'
import { diverged, Engine, entriesOf, heartbeat, heartbeatReply, N2, N3, of, sends } from './engine.js'

const RIGHT = new Uint8Array(32).fill(1)
const WRONG = new Uint8Array(32).fill(2)
const OTHER = new Uint8Array(32).fill(3)

/** n1 leads; the first entries are committed and executed. */
function leader(voters = 3): Engine {
  const engine = new Engine({ members: members(voters), log: entriesOf([1, 1, 1]), term: 1, commit: 3 })
  engine.elect(voters === 3 ? [N2] : [N2, N3])
  return engine
}

/** The node's own state has this digest. */
function computed(engine: Engine, index: number, stateDigest: Uint8Array): Effect[] {
  return engine.step({ type: 'executed', upTo: logIndex(index), stateDigest, resultRoot: null })
}

function tells(engine: Engine, from: NodeId, index: number, stateDigest: Uint8Array): Effect[] {
  return engine.receive(from, heartbeatReply({ term: 2, digestIndex: logIndex(index), stateDigest }))
}

describe('a leader', () => {
  it('tells the one that differs from itself and a majority, and where all agreed last', () => {
    const engine = leader()
    for (const index of [1, 2]) computed(engine, index, RIGHT)
    for (const peer of [N2, N3]) tells(engine, peer, 1, RIGHT)
    tells(engine, N2, 2, RIGHT)
    const told = sends(tells(engine, N3, 2, WRONG), 'diverged')
    expect(told).toMatchObject([{ to: N3, message: { index: 2, stateDigest: RIGHT, agreedIndex: 1 } }])
    expect(engine.core.status().role).toBe('leader')
  })

  it('does not take what others agreed on for what the one that differs has shown', () => {
    const engine = leader()
    for (const index of [1, 2]) computed(engine, index, RIGHT)
    for (const index of [1, 2]) tells(engine, N2, index, RIGHT)
    expect(sends(tells(engine, N3, 2, WRONG), 'diverged')).toMatchObject([{ to: N3, message: { agreedIndex: 0 } }])
  })

  it('says of no index that the one who differs was right there unless that one has shown it', () => {
    const engine = leader()
    for (const index of [1, 2]) computed(engine, index, RIGHT)
    tells(engine, N2, 1, RIGHT)
    tells(engine, N2, 2, RIGHT)
    const told = sends(tells(engine, N3, 2, WRONG), 'diverged')
    expect(told).toMatchObject([{ to: N3, message: { index: 2, agreedIndex: 0 } }])
  })

  it('tells nobody while it knows no majority: two of five that agree are none', () => {
    const engine = leader(5)
    computed(engine, 1, RIGHT)
    tells(engine, N2, 1, RIGHT)
    expect(sends(tells(engine, N3, 1, WRONG), 'diverged')).toEqual([])
  })

  it('that differs from a majority itself steps down and says so', () => {
    const engine = leader()
    computed(engine, 1, RIGHT)
    tells(engine, N2, 1, RIGHT)
    computed(engine, 2, WRONG)
    const first = tells(engine, N2, 2, RIGHT)
    expect(sends(first, 'diverged')).toEqual([])
    expect(engine.core.status().role).toBe('leader')
    expect(of(tells(engine, N3, 2, RIGHT), 'diverged')).toEqual([{ type: 'diverged', index: 2, agreedIndex: 1 }])
    expect(engine.core.status().role).toBe('follower')
  })

  it('blames nobody where three nodes have three states', () => {
    const engine = leader()
    computed(engine, 1, RIGHT)
    expect(
      tells(engine, N2, 1, WRONG)
        .concat(tells(engine, N3, 1, OTHER))
        .filter(isAccusation),
    ).toEqual([])
    expect(engine.core.status().role).toBe('leader')
  })

  it('compares digests of one index only', () => {
    const engine = leader()
    computed(engine, 1, RIGHT)
    computed(engine, 2, OTHER)
    tells(engine, N2, 1, RIGHT)
    expect(tells(engine, N3, 2, WRONG).filter(isAccusation)).toEqual([])
    expect(sends(tells(engine, N2, 2, OTHER), 'diverged')).toEqual([])
    // What n3 said before is not held against it until it says it again.
    expect(sends(tells(engine, N3, 2, WRONG), 'diverged')).toHaveLength(1)
  })
})

function isAccusation(effect: Effect): boolean {
  return effect.type === 'diverged' || (effect.type === 'send' && effect.message.type === 'diverged')
}

describe('a follower', () => {
  function follower(): Engine {
    const engine = new Engine({ log: entriesOf([1, 1, 1]), term: 1, commit: 3 })
    engine.receive(N2, heartbeat({ term: 1 }))
    return engine
  }

  it('tells the newest digest of its state with every heartbeat', () => {
    const engine = follower()
    computed(engine, 1, RIGHT)
    computed(engine, 2, OTHER)
    const [reply] = sends(engine.receive(N2, heartbeat({ term: 1 })), 'heartbeatReply')
    expect(reply?.message).toMatchObject({ digestIndex: 2, stateDigest: OTHER })
  })

  it('that is told of another state than its own says so, once it can compare', () => {
    const engine = follower()
    const message = diverged({ term: 1, index: logIndex(2), stateDigest: RIGHT, agreedIndex: logIndex(1) })
    expect(engine.receive(N2, message)).toEqual([])
    computed(engine, 2, WRONG)
    expect(engine.receive(N2, message)).toEqual([{ type: 'diverged', index: 2, agreedIndex: 1 }])
  })

  it('whose state is the one that it is told of has nothing to say', () => {
    const engine = follower()
    computed(engine, 2, RIGHT)
    expect(engine.receive(N2, diverged({ term: 1, index: logIndex(2), stateDigest: RIGHT }))).toEqual([])
  })
})
