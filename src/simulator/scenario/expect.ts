/**
 * What a story may say about the moment: of a node, and of the cluster. docs/testing/scenarios.md
 * describes each; a test compares the two lists.
 */

import type { Field } from './field.js'
import { describeMembership, MEMBER_KEYS, readMembership } from './members.js'
import type { ScenarioNode } from './node.js'
import { Unmet } from './unmet.js'
import { type InFlight, readPattern, select } from './wire.js'
import type { Answer, World } from './world.js'

type Value = string | number | boolean | null | readonly number[]

/** What is true of a node, by the words of a story. */
export const NODE_FACTS: Readonly<Record<string, (node: ScenarioNode) => Value>> = {
  role: (node) => (node.core === null ? 'down' : node.core.status().role),
  term: (node) => node.running().status().term,
  vote: (node) => node.view.hardState.votedFor ?? 'nobody',
  leader: (node) => node.running().status().leader ?? 'unknown',
  log: (node) => node.view.entries.map((entry) => entry.term),
  first: (node) => node.running().status().firstIndex,
  last: (node) => node.running().status().lastIndex,
  commit: (node) => node.running().status().commitIndex,
  applied: (node) => node.appliedIndex,
  durable: (node) => node.durable.lastIndex,
  writes: (node) => node.writes.length,
  snapshot: (node) => node.snapshot?.base.index ?? 0,
  'may vote': (node) => node.running().status().mayVote,
  lease: (node) => node.running().holdsLease(node.now()),
  'members settled': (node) => node.running().status().membershipCommitted,
  refused: (node) => node.refusedStart ?? 'no',
}

/** Facts with a form of their own. */
export const NODE_SPECIALS: Readonly<Record<string, (node: ScenarioNode, field: Field) => void>> = {
  members: (node, field) => {
    const { membership } = node.running().status().membership
    compare(field, describeMembership(readMembership(field.record(MEMBER_KEYS))), describeMembership(membership))
  },
  peers: (node, field) => {
    const { peers } = node.running().status()
    for (const [id, facts] of field.entries()) {
      const peer = peers.find((one) => one.id === id)
      if (peer === undefined) throw new Unmet(`${node.id} has no peer ${id}`, facts.line)
      const record = facts.record(['match', 'flow', 'active'])
      for (const [key, value] of record) {
        compare(value, value.scalar(), { match: peer.matchIndex, flow: peer.flow, active: peer.active }[key])
      }
    }
  },
}

export const CLUSTER_FACTS: Readonly<Record<string, (world: World, field: Field) => void>> = {
  leader: (world, field) => compare(field, field.text(), world.leader()?.id ?? 'none'),
  committed: (world, field) => compare(field, field.integer(), world.rules.commits),
  'same log': (world, field) => {
    const nodes =
      !field.isList && field.text() === 'all'
        ? [...world.nodes.values()].filter((node) => node.core !== null)
        : field.several().map((item) => world.node(item.text()))
    const [first] = nodes
    for (const node of nodes) compare(field, ends(first as ScenarioNode), ends(node))
  },
  answers: (world, field) => {
    for (const [name, expected] of field.entries()) {
      const answer = world.answers.get(name)
      if (answer === undefined) return expected.fail('is the answer to nothing that was asked')
      compare(expected, expected.scalar(), answerOf(world, answer))
    }
  },
  messages: (world, field) => {
    if (!field.isRecord) return compare(field, field.integer(), world.messages.length)
    for (const [text, expected] of field.entries()) expectMessages(world, text, expected)
  },
}

/** Checks everything below `expect:`. Throws `Unmet`. */
export function expectAll(world: World, field: Field): void {
  for (const [name, expected] of field.entries()) {
    const node = world.nodes.get(name)
    const ofCluster = CLUSTER_FACTS[name]
    if (node !== undefined) expectNode(node, expected)
    else if (ofCluster !== undefined) ofCluster(world, expected)
    else expected.fail(`is neither a node nor one of ${Object.keys(CLUSTER_FACTS).join(', ')}`)
  }
}

/** Does all of this hold of the node right now? */
export function holdsOf(node: ScenarioNode, field: Field): boolean {
  try {
    expectNode(node, field)
    return true
  } catch (error) {
    if (error instanceof Unmet) return false
    throw error
  }
}

function expectNode(node: ScenarioNode, field: Field): void {
  for (const [name, expected] of field.entries()) {
    const special = NODE_SPECIALS[name]
    const fact = NODE_FACTS[name]
    if (special !== undefined) special(node, expected)
    else if (fact === undefined) {
      expected.fail(
        `is not known of a node; known are ${[...Object.keys(NODE_FACTS), ...Object.keys(NODE_SPECIALS)].join(', ')}`,
      )
    } else {
      if (node.core === null && !['role', 'refused', 'applied', 'durable', 'snapshot', 'log'].includes(name)) {
        throw new Unmet(`${node.id} is down`, expected.line)
      }
      const wanted = expected.isList ? expected.items().map((item) => item.integer()) : expected.scalar()
      compare(expected, wanted, fact(node))
    }
  }
}

/** Where a log ends, and everything before, in one value. */
function ends(node: ScenarioNode): string {
  const last = node.view.entries.at(-1)
  const chain = last?.chain ?? node.view.base.chain
  return `${node.view.lastIndex} of term ${last?.term ?? node.view.base.term} (${Buffer.from(chain.subarray(0, 4)).toString('hex')})`
}

function answerOf(world: World, answer: Answer): string | number {
  switch (answer.kind) {
    case 'waiting':
      return 'waiting'
    case 'underWay':
      return 'under way'
    case 'index':
      return answer.index
    case 'refused':
      return answer.code
    case 'proposed': {
      const committed = world.rules.isCommitted(answer.entry)
      if (committed === null) return 'waiting'
      return committed ? answer.entry.index : 'lost'
    }
  }
}

/** A number of messages, or fields that each of them has (and there is one). */
function expectMessages(world: World, text: string, expected: Field): void {
  const pattern = readPattern(patternField(text, expected), (name) => world.nodes.has(name))
  const found = select(pattern, world.messages)
  if (!expected.isRecord) return compare(expected, expected.integer(), found.length)
  if (found.length === 0) throw new Unmet(`no message is on its way for ${text}`, expected.line)
  for (const message of found) {
    for (const [key, value] of expected.entries()) {
      const wanted = value.isList ? value.items().map((item) => item.integer()) : value.scalar()
      compare(value, wanted, messageField(message, key, value))
    }
  }
}

function messageField({ message }: InFlight, key: string, field: Field): unknown {
  if (key === 'entries' && message.type === 'appendEntries') return message.entries.map((entry) => entry.term)
  if (key === 'at' && message.type === 'installSnapshot') return message.snapshot.base.index
  const value = (message as unknown as Record<string, unknown>)[key]
  return value === undefined ? field.fail(`is not a field of ${message.type}`) : value
}

/** The key of a mapping as a field of its own, at the place of its value. */
function patternField(text: string, at: Field): Field {
  return at.withText(text)
}

function compare(field: Field, expected: unknown, found: unknown): void {
  const [wanted, is] = [JSON.stringify(expected), JSON.stringify(found)]
  if (wanted !== is) throw new Unmet(`${field.path} is ${is}, not ${wanted}`, field.line)
}
