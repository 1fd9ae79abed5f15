/**
 * Shows that clients, quotas and purges are replicated state: changed through the log by those who may,
 * in force from the next operation on, over restarts, and with every rejection.
 */
import { describe, expect, test } from 'vitest'
import type { SessionId } from '../../src/consensus/request.js'
import type { KeyPair } from '../../src/crypto/keys.js'
import { publicKeyProblem } from '../../src/crypto/pure/public-key.js'
import type { Operation } from '../../src/workflow/operations.js'
import { CLIENTS_MAX, PURGE_RECORDS_MAX } from '../../src/workflow/policies/limits.js'
import { NO_QUOTAS } from '../../src/workflow/policies/quotas.js'
import { caseId, detailsOf, GovernedStory, setClient, signers } from './governance-harness.js'
import { CASE_ID, codeOf, codesOf, create, get, keyOf, move, put, requestOf, Story } from './harness.js'

const [anna, ben] = signers as [KeyPair, KeyPair]
/** A client whose key is a point on the curve: of the made-up keys few are. */
const PASSING = Array.from({ length: 500 }, (_, n) => `passing ${n}`).find(
  (name) => publicKeyProblem(keyOf(name)) === null,
) as string
const removeClient = (clientId: string): Operation => ({ type: 'RemoveClient', clientId })
const quota = (quotas: Partial<typeof NO_QUOTAS> & Record<string, number>): Operation => ({
  type: 'SetQuota',
  ...NO_QUOTAS,
  ...quotas,
})
const purge = (...caseIds: string[]): Operation => ({ type: 'PurgeCases', caseIds })

describe('clients', () => {
  test('a client is added, listed, and may do what its role allows', () => {
    const story = new GovernedStory()
    expect(story.machine.roleOf(anna.publicKey)).toBeNull()
    story.govern(setClient('anna', anna.publicKey, 'reader'))
    expect(story.machine.roleOf(anna.publicKey)).toBe('reader')
    const { clients } = story.query('clients.list') as { clients: { id: string; role: string }[] }
    expect(clients).toContainEqual({
      id: 'anna',
      role: 'reader',
      publicKey: Buffer.from(anna.publicKey).toString('hex'),
      identity: Buffer.from(anna.publicKey).toString('hex'),
    })
    const page = story.query('clients.list', { limit: 3 }) as { clients: unknown[]; cursor: string }
    const rest = story.query('clients.list', { limit: 3, cursor: page.cursor }) as { clients: unknown[]; cursor: null }
    expect([...page.clients, ...rest.clients]).toEqual(clients)
    expect(rest.cursor).toBeNull()
    story.restart()
    expect(story.machine.roleOf(anna.publicKey)).toBe('reader')
  })

  test('a changed role holds in sessions that are open', () => {
    const story = new GovernedStory()
    expect(story.code(put('k', 'v'))).toBe('ok')
    story.govern(setClient('the-writer', keyOf('writer'), 'reader'))
    expect(story.code(put('k', 'v'))).toBe('NotPermitted')
    expect(story.code(get('k'))).toBe('ok')
    story.restart()
    expect(story.code(put('k', 'v'))).toBe('NotPermitted')
  })

  test('a client that is removed loses its sessions at once, and does not find them again', () => {
    const story = new GovernedStory()
    const add = setClient('passing', keyOf(PASSING), 'writer')
    const write = (session: SessionId) => codesOf(story.submit(session, [put('k', 'v')], PASSING))
    story.govern(add)
    const session = story.open(PASSING)
    expect(write(session)).toEqual(['ok'])
    story.govern(removeClient('passing'))
    const open = requestOf([{ type: 'OpenSession', ordered: false }], { client: PASSING })
    expect(codesOf(story.apply(open)[0])).toEqual(['UnknownKey'])
    expect(write(session)).toEqual(['SessionExpired'])
    story.restart()
    story.govern(add)
    expect(write(session)).toEqual(['SessionExpired'])
    expect(write(story.open(PASSING))).toEqual(['ok'])
  })

  test('the last admin stays, and stays admin', () => {
    const story = new GovernedStory()
    expect(codeOf(story.asAdmin(removeClient('the-admin')))).toBe('Refused')
    expect(codeOf(story.asAdmin(setClient('the-admin', keyOf('admin'), 'operator')))).toBe('Refused')
    story.govern(setClient('anna', anna.publicKey, 'admin'), setClient('root', keyOf('admin'), 'admin'))
    // It removes itself: the rest of its own request finds no session any more.
    const [own] = story.apply(
      requestOf([removeClient('root'), put('k', 'v')], { session: story.open('admin'), client: 'admin' }),
    )
    expect(codesOf(own)).toEqual(['ok', 'SessionExpired'])
  })

  test('rejections', () => {
    const story = new GovernedStory()
    expect(codeOf(story.asAdmin(removeClient('nobody')))).toBe('NotFound')
    expect(codeOf(story.asAdmin(setClient('the-writer', anna.publicKey, 'reader')))).toBe('ClientExists')
    expect(detailsOf(story.asAdmin(setClient('x', new Uint8Array(32), 'reader')))).toEqual({ field: 'publicKey' })
    // y = 1: the neutral point, of the smallest order.
    const small = Uint8Array.from([1, ...new Array<number>(31).fill(0)])
    expect(codeOf(story.asAdmin(setClient('x', small, 'admin')))).toBe('InvalidOperation')
    expect(story.machine.clients.size).toBe(4)
  })

  test('there is a bound on their number', () => {
    const story = new GovernedStory()
    for (let n = story.machine.clients.size; n < CLIENTS_MAX; n++) {
      story.machine.clients.set(keyOf(`filler ${n}`), `filler-${n}`, 'reader')
    }
    expect(codeOf(story.asAdmin(setClient('anna', anna.publicKey, 'reader')))).toBe('InvalidOperation')
    story.govern(removeClient('filler-9'), setClient('anna', anna.publicKey, 'reader'))
    expect(codeOf(story.asAdmin(setClient('ben', ben.publicKey, 'reader')))).toBe('InvalidOperation')
  })
})

describe('quotas', () => {
  test('limit cases, in all and open ones', () => {
    const story = new GovernedStory()
    story.govern(quota({ casesMax: 3, openCasesMax: 1 }))
    expect(story.run(1)).toBe('ok')
    expect(detailsOf(story.do(create(caseId(2))))).toEqual({ quota: 'openCasesMax', max: 1, retryAfterMs: null })
    for (const n of [1, 2, 3]) {
      story.run(n)
      story.finish(n)
    }
    expect(detailsOf(story.do(create(caseId(4))))).toMatchObject({ quota: 'casesMax' })
    story.govern(purge(caseId(1)))
    expect(story.code(create(caseId(4)))).toBe('ok')
  })

  test('limit the sessions of a client', () => {
    const story = new GovernedStory()
    story.govern(quota({ sessionsPerClientMax: 2 }))
    const open = requestOf([{ type: 'OpenSession', ordered: false }])
    expect(codesOf(story.apply(open)[0])).toEqual(['ok'])
    expect(codesOf(story.apply(open)[0])).toEqual(['QuotaExceeded'])
    story.open('admin')
  })

  test('limit operations and bytes of a client per minute of log time, over a restart', () => {
    const story = new GovernedStory()
    story.govern(quota({ operationsPerMinuteMax: 3, bytesPerMinuteMax: 100 }))
    story.nowMs += 60_000 - (story.nowMs % 60_000)
    expect([put('a', '1'), get('a')].map((one) => story.code(one))).toEqual(['ok', 'ok'])
    expect(detailsOf(story.do(put('b', 'x'.repeat(80))))).toMatchObject({ quota: 'bytesPerMinuteMax' })
    story.restart()
    expect(story.code(put('a', '2'))).toBe('ok')
    story.nowMs += 10_000
    expect(detailsOf(story.do(put('a', '3')))).toEqual({
      quota: 'operationsPerMinuteMax',
      max: 3,
      retryAfterMs: 50_000,
    })
    expect(codeOf(story.asAdmin(put('a', '3')))).toBe('ok')
    expect(story.query('quotas.get')).toMatchObject({
      quotas: { operationsPerMinuteMax: 3, casesMax: null },
      clients: expect.arrayContaining([{ id: 'the-writer', operations: 3, bytes: expect.any(Number) }]),
    })
    story.nowMs += 50_000
    expect(story.code(put('a', '3'))).toBe('ok')
    story.govern(quota({}))
    for (let n = 0; n < 5; n++) expect(story.code(put('a', '4'))).toBe('ok')
    expect([...story.state.pairs.keys()].some((key) => key[0] === '\x45')).toBe(false)
  })
})

describe('purge', () => {
  function finished(): GovernedStory {
    const story = new GovernedStory()
    for (const n of [1, 2, 3]) story.run(n)
    story.code(move('suspended', caseId(1)))
    story.code(move('running', caseId(1)))
    story.finish(1)
    story.finish(2, true)
    return story
  }

  test('removes a finished case with its history and leaves its digest', () => {
    const story = finished()
    const pairs = story.state.pairs.size
    story.govern(purge(caseId(1), caseId(2), caseId(1)))
    // Of each case: the record stays as a stone; 5 and 3 history records and 3 index entries each go. The
    // result of the purge itself is new.
    expect(story.state.pairs.size).toBe(pairs - 5 - 3 - 6 + 1)
    expect(() => story.query('case.get', { caseId: caseId(1) })).toThrow(/was purged/)
    expect(() => story.query('case.history', { caseId: caseId(1) })).toThrow(/no case/)
    expect(story.query('case.list')).toMatchObject({ cases: [{ caseId: caseId(3) }] })
    expect(story.machine.cases.counts).toEqual([0, 1, 0, 0, 0, 0])
    expect(story.code(create(caseId(1)))).toBe('CaseExists')
    expect(story.code(move('running', caseId(1)))).toBe('CaseNotFound')
    const purged = (result: ReturnType<GovernedStory['asAdmin']>) =>
      result.outcome.ok ? result.outcome.payload[0] : null
    expect(purged(story.asAdmin(purge(caseId(1))))).toBe(0)
  })

  test('the digest tells cases with different data or histories apart', () => {
    const digest = (data: string, failed: boolean) => {
      const story = new GovernedStory()
      story.code(create(CASE_ID, data))
      story.code(move('running'))
      story.code(failed ? move('failed', CASE_ID, 'x') : move('completed'))
      story.govern(purge(CASE_ID))
      try {
        story.query('case.get', { caseId: CASE_ID })
      } catch (error) {
        return (error as { details: { digest: string } }).details.digest
      }
      return null
    }
    const digests = [digest('{"a":1}', false), digest('{"a":2}', false), digest('{"a":1}', true)]
    expect(new Set(digests).size).toBe(3)
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/)
    expect(digest('{"a":1}', false)).toBe(digests[0])
  })

  test('all or nothing: what is not finished or not there stops it', () => {
    const story = finished()
    const before = story.digests().dataDigest
    expect(detailsOf(story.asAdmin(purge(caseId(1), caseId(3))))).toEqual({
      caseId: caseId(3),
      from: 'running',
      to: 'purged',
    })
    expect(codeOf(story.asAdmin(purge(caseId(1), caseId(9))))).toBe('CaseNotFound')
    expect(story.digests().dataDigest).toBe(before)
  })

  test('the work of one purge is bounded', () => {
    const story = new GovernedStory()
    story.run(1)
    const session = story.open()
    const back = [move('suspended', caseId(1)), move('running', caseId(1))]
    story.submit(
      session,
      Array.from({ length: PURGE_RECORDS_MAX }, (_, i) => back[i % 2] as Operation),
    )
    story.finish(1)
    expect(codeOf(story.asAdmin(purge(caseId(1))))).toBe('InvalidOperation')
  })

  test('an operator may purge, a writer may not', () => {
    const story = new Story()
    const session = story.open()
    expect(codesOf(story.submit(session, [create(), move('cancelled'), purge(CASE_ID)]))).toEqual([
      'ok',
      'ok',
      'NotPermitted',
    ])
    expect(codesOf(story.submit(story.open('operator'), [purge(CASE_ID)], 'operator'))).toEqual(['ok'])
  })
})
