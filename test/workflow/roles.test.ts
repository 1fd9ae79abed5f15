/** Shows that every single operation is checked against the client's role, and that strangers get nothing. */
import { expect, test } from 'vitest'
import type { Operation } from '../../src/workflow/operations.js'
import { CASE_ID, cas, codesOf, create, get, move, put, remove, requestOf, Story } from './harness.js'

const WRITES: readonly Operation[] = [put('k', 'v'), cas('k', 'v', 'w'), remove('k'), create(), move('running')]

test('a reader may read in order, and write nothing', () => {
  const story = new Story()
  const session = story.open('reader')
  expect(codesOf(story.submit(session, [get('k'), ...WRITES, get('k')], 'reader'))).toEqual([
    'ok',
    ...WRITES.map(() => 'NotPermitted'),
    'ok',
  ])
  expect(story.query('kv.list')).toEqual({ pairs: [], cursor: null })
})

test.each(['writer', 'operator', 'admin'])('a client with the role %s may write', (client) => {
  const story = new Story()
  const session = story.open(client)
  expect(codesOf(story.submit(session, WRITES, client))).toEqual(WRITES.map(() => 'ok'))
})

test('a key that the cluster does not list gets neither a session nor a result', () => {
  const story = new Story()
  expect(codesOf(story.apply(requestOf([{ type: 'OpenSession', ordered: false }], { client: 'stranger' }))[0])).toEqual(
    ['UnknownKey'],
  )
  const session = story.open()
  expect(codesOf(story.apply(requestOf([get('k')], { session, client: 'stranger' }))[0])).toEqual(['NotPermitted'])
  expect(story.machine.sessions.size).toBe(1)
})

test('roles are state from before the first entry on, and survive a restart', () => {
  const story = new Story()
  const listed = story.query('clients.list')
  expect(
    (listed as { clients: { id: string; role: string }[] }).clients.map(({ id, role }) => `${id} ${role}`).sort(),
  ).toEqual(['the-admin admin', 'the-operator operator', 'the-reader reader', 'the-writer writer'])
  const session = story.open()
  story.restart()
  expect(story.query('clients.list')).toEqual(listed)
  expect(codesOf(story.submit(session, [create()]))).toEqual(['ok'])
  expect(story.query('case.get', { caseId: CASE_ID })).toMatchObject({ state: 'created' })
})
