/**
 * What can happen in a story: one function per step. docs/testing/scenarios.md describes each; a test
 * compares the two lists.
 */
import { KnhkError } from '../../base/error.js'
import { logIndex, nodeId, readId } from '../../consensus/types.js'
import { batchOf } from './entries.js'
import { expectAll } from './expect.js'
import { type Field, need } from './field.js'
import { sendByHand } from './hand-made.js'
import { MEMBER_KEYS, readTarget } from './members.js'
import type { ScenarioNode } from './node.js'
import { offerAt } from './setup.js'
import { TABLE_STEPS } from './tables.js'
import { Unmet } from './unmet.js'
import { readPattern, select } from './wire.js'
import type { World } from './world.js'

export type Step = (world: World, field: Field) => void | Promise<void>

const PAUSE_NOTICED = ['noticed', 'unnoticed'] as const

export const STEPS: Readonly<Record<string, Step>> = {
  tick: async (world, field) => {
    for (const node of nodesOf(world, field)) await world.tick(node)
  },
  campaign: async (world, field) => {
    for (const node of nodesOf(world, field)) await campaign(world, node)
  },
  elect: async (world, field) => {
    const node = nodeOf(world, field)
    world.pass(400)
    await campaign(world, node)
    await world.settle()
    const { role, term } = node.running().status()
    if (role !== 'leader') throw new Unmet(`${node.id} does not win: it is ${role} of term ${term}`)
  },
  pass: (world, field) => {
    if (!field.isRecord) return world.pass(field.integer(1))
    const record = field.record(['node', 'ms'])
    world.pass(need(record, 'ms', field).integer(1), nodesOf(world, need(record, 'node', field)))
  },
  wait: (world, field) => world.wait(field.integer(1)),
  deliver: (world, field) => world.deliver(chosen(world, field)),
  drop: (world, field) => world.drop(chosen(world, field)),
  duplicate: (world, field) => {
    for (const { from, to, message } of chosen(world, field)) world.transmit(from, to, message)
  },
  hold: (world, field) => {
    for (const item of field.several()) world.holds.push(patternOf(world, item))
  },
  release: (world, field) => {
    for (const item of field.several()) release(world, item)
  },
  settle: async (world, field) => {
    if (!field.boolean()) field.fail('has to be true')
    await world.settle()
  },
  send: (world, field) => sendByHand(world, field),
  propose: async (world, field) => {
    const record = field.recordOr('node', ['count', 'bytes', 'as'])
    const node = nodeOf(world, need(record, 'node', field))
    const count = record.get('count')?.integer(1, 10_000) ?? 1
    for (let i = 0; i < count; i++) {
      const name = record.get('as')?.text() ?? `${node.id} proposal`
      const proposalId = world.ask('propose', node, name)
      const batch = batchOf(record.get('bytes')?.integer(0, 1 << 20) ?? 16)
      await node.step({ type: 'propose', proposalId, kind: 'data', ...batch })
    }
  },
  read: async (world, field) => {
    const record = field.recordOr('node', ['lease', 'as'])
    const node = nodeOf(world, need(record, 'node', field))
    const id = world.ask('read', node, record.get('as')?.text() ?? `${node.id} read`)
    await node.step({ type: 'read', readId: readId(id), lease: record.get('lease')?.boolean() ?? false })
  },
  transfer: async (world, field) => {
    const record = field.record(['from', 'to', 'as'])
    const node = nodeOf(world, need(record, 'from', field))
    const orderId = world.ask('order', node, record.get('as')?.text() ?? `${node.id} order`)
    const target = record.has('to') ? nodeId(need(record, 'to', field).text()) : null
    await node.step({ type: 'order', orderId, order: { kind: 'transferLeadership', target } })
  },
  'change members': async (world, field) => {
    const record = field.record(['node', 'planned', 'as', ...MEMBER_KEYS])
    const node = nodeOf(world, need(record, 'node', field))
    const orderId = world.ask('order', node, record.get('as')?.text() ?? `${node.id} order`)
    const inForce = node.running().status().membership.index
    const planned = logIndex(record.get('planned')?.integer() ?? inForce)
    await node.step({
      type: 'order',
      orderId,
      order: { kind: 'changeMembership', planned, target: readTarget(record) },
    })
  },
  snapshot: async (world, field) => {
    const record = field.recordOr('node', ['compact'])
    const node = nodeOf(world, need(record, 'node', field))
    if (node.appliedIndex === 0) field.fail('takes a snapshot of nothing')
    node.snapshot = offerOf(node, node.appliedIndex)
    await compact(node, record.get('compact')?.integer(1) ?? null)
  },
  compact: async (world, field) => {
    const record = field.record(['node', 'to'])
    await compact(nodeOf(world, need(record, 'node', field)), need(record, 'to', field).integer(1))
  },
  store: async (world, field) => {
    const record = field.isRecord ? field.record(['node', 'writes']) : new Map([['node', field]])
    const writes = record.get('writes')?.integer(1)
    for (const node of nodesOf(world, need(record, 'node', field))) {
      if (node.writes.length === 0) throw new Unmet(`${node.id} has nothing to store`)
      await node.store(writes ?? node.writes.length)
    }
  },
  'store by hand': (world, field) => {
    for (const node of nodesOf(world, field)) node.storesByHand = true
  },
  'store at once': async (world, field) => {
    for (const node of nodesOf(world, field)) {
      node.storesByHand = false
      await node.store()
    }
  },
  crash: async (world, field) => {
    const record = field.isRecord ? field.record(['node', 'state', 'write']) : new Map([['node', field]])
    const stateLost = record.get('state')?.oneOf(['lost']) === 'lost'
    const torn = record.get('write')?.oneOf(['torn']) === 'torn'
    for (const node of nodesOf(world, need(record, 'node', field))) await node.crash({ torn, stateLost })
  },
  restart: async (world, field) => {
    for (const node of nodesOf(world, field)) {
      if (node.core !== null) await node.crash({ torn: false, stateLost: false })
      world.starts(node)
      await node.start()
    }
  },
  damage: async (world, field) => {
    const record = field.record(['node', 'entry', 'part'])
    const index = need(record, 'entry', field).integer(1)
    const kind = need(record, 'part', field).oneOf(['header', 'body'])
    await nodeOf(world, need(record, 'node', field)).damage({ kind, index })
  },
  wipe: async (world, field) => {
    for (const node of nodesOf(world, field)) await node.damage({ kind: 'wipe' })
  },
  pause: (world, field) => {
    for (const node of nodesOf(world, field)) node.paused = true
  },
  resume: async (world, field) => {
    const record = field.recordOr('node', ['pause'])
    const node = nodeOf(world, need(record, 'node', field))
    await resume(world, node, record.get('pause')?.oneOf(PAUSE_NOTICED) ?? 'noticed')
  },
  partition: (world, field) => {
    const groups = field.items().map((group) => nodesOf(world, group))
    for (const [at, group] of groups.entries()) {
      for (const other of groups.slice(at + 1)) separate(world, group, other)
    }
  },
  cut: (world, field) => {
    for (const item of field.several()) cut(world, item)
  },
  heal: (world, field) => {
    if (!field.boolean()) field.fail('has to be true')
    world.cuts.clear()
  },
  expect: (world, field) => expectAll(world, field),
  ...TABLE_STEPS,
}

async function campaign(world: World, node: ScenarioNode): Promise<void> {
  const before = node.running().status().role
  if (before === 'leader') throw new Unmet(`${node.id} leads and cannot campaign`)
  // The first deadline may be another one than that of the election.
  for (let ticks = 0; ticks < 3; ticks++) {
    await world.tick(node)
    const { role } = node.running().status()
    if (role !== 'follower' && role !== 'learner') return
  }
  throw new Unmet(`${node.id} does not campaign`)
}

function release(world: World, item: Field): void {
  const text = item.text().trim()
  const before = world.holds.length
  world.holds = text === 'all' ? [] : world.holds.filter((pattern) => pattern.text !== text)
  if (world.holds.length === before && before > 0) item.fail(`releases ${text}, which is not held`)
}

async function compact(node: ScenarioNode, to: number | null): Promise<void> {
  const { snapshot } = node
  if (snapshot === null) throw new KnhkError('InvalidArgument', `${node.id} has no snapshot`)
  const compactTo = to === null ? null : offerOf(node, to).base
  await node.step({ type: 'snapshotTaken', snapshot, compactTo })
}

function offerOf(node: ScenarioNode, index: number) {
  const { base, entries } = node.view
  const offer = offerAt(entries, index)
  const membership = offer.base.membership ?? base.membership
  return { ...offer, base: { ...offer.base, membership } }
}

/** Time went on without it. */
async function resume(world: World, node: ScenarioNode, pause: (typeof PAUSE_NOTICED)[number]): Promise<void> {
  const nowMs = Math.max(...[...world.nodes.values()].map((one) => one.clockMs))
  const pausedMs = nowMs - node.clockMs
  node.paused = false
  node.clockMs = nowMs
  if (pausedMs > 0 && pause === 'noticed') await node.step({ type: 'paused', pausedMs })
}

/** Nothing passes between the groups, what is on its way included. */
function separate(world: World, left: readonly ScenarioNode[], right: readonly ScenarioNode[]): void {
  for (const a of left) {
    for (const b of right) {
      world.cuts.add(`${a.id}>${b.id}`)
      world.cuts.add(`${b.id}>${a.id}`)
    }
  }
  world.drop(world.messages.filter(({ from, to }) => world.cuts.has(`${from}>${to}`)))
}

function cut(world: World, item: Field): void {
  const pattern = patternOf(world, item)
  for (const from of world.nodes.keys()) {
    for (const to of world.nodes.keys()) {
      if (from === to || (pattern.from ?? from) !== from || (pattern.to ?? to) !== to) continue
      world.cuts.add(`${from}>${to}`)
    }
  }
  world.drop(world.messages.filter(({ from, to }) => world.cuts.has(`${from}>${to}`)))
}

function patternOf(world: World, field: Field) {
  return readPattern(field, (name) => world.nodes.has(name))
}

/** The messages that one pattern or several mean; none is a mistake in the story. */
function chosen(world: World, field: Field) {
  return field.several().flatMap((item) => {
    const pattern = patternOf(world, item)
    const found = select(pattern, world.messages).filter((message) => world.isDeliverable(message))
    if (found.length === 0 && pattern.text !== 'all') throw new Unmet(`no message is on its way for ${pattern.text}`)
    return found
  })
}

function nodeOf(world: World, field: Field): ScenarioNode {
  return world.nodes.get(field.text()) ?? field.fail('names an unknown node')
}

function nodesOf(world: World, field: Field): ScenarioNode[] {
  if (!field.isList && field.text() === 'all') return [...world.nodes.values()]
  return field.several().map((item) => nodeOf(world, item))
}
