/**
 * Shows that a client whose key is rotated stays who it is: role, sessions, duties, quotas, request ids and used
 * approvals go on under the new key, the old key is worth nothing any more, over restarts too; and every rejection.
 */
import { describe, expect, test } from 'vitest'
import type { SessionId } from '../../src/consensus/request.js'
import { type KeyPair, keyPairOfSeed } from '../../src/crypto/keys.js'
import { sha256 } from '../../src/crypto/sha256.js'
import type { Operation } from '../../src/workflow/operations.js'
import { NO_QUOTAS } from '../../src/workflow/policies/quotas.js'
import {
  apply,
  approve,
  approved,
  caseId,
  detailsOf,
  GovernedStory,
  rotate,
  rule,
  setClient,
  signers,
} from './governance-harness.js'
import { bytes, codeOf, codesOf, create, get, move, put, requestOf } from './harness.js'

const [anna, ben, carl] = signers as [KeyPair, KeyPair, KeyPair]
const next: KeyPair = await keyPairOfSeed(sha256(bytes('signer anna, again')))

/** Anna is a client, and has a session. */
class AnnasStory extends GovernedStory {
  readonly session: SessionId

  constructor(role: 'writer' | 'operator' | 'admin' = 'writer') {
    super()
    this.govern(setClient('anna', anna.publicKey, role))
    this.session = this.open(anna.publicKey)
  }

  /** In her session, with this key. */
  by({ publicKey }: KeyPair, ...operations: Operation[]): string[] {
    return codesOf(this.submit(this.session, operations, publicKey))
  }
}

const rotated = rotate('anna', anna.publicKey, next)

describe('a client that rotates its key', () => {
  test('keeps name and role, and the old key opens nothing', () => {
    const story = new AnnasStory('operator')
    expect(story.by(anna, rotated)).toEqual(['ok'])
    for (const restarts of [0, 1]) {
      if (restarts > 0) story.restart()
      expect(story.machine.roleOf(anna.publicKey)).toBeNull()
      expect(story.machine.roleOf(next.publicKey)).toBe('operator')
      const open = requestOf([{ type: 'OpenSession', ordered: false }], { client: anna.publicKey })
      expect(codesOf(story.apply(open)[0])).toEqual(['UnknownKey'])
      expect(story.by(anna, put('k', 'old'))).toEqual(['NotPermitted'])
    }
    const { clients } = story.query('clients.list') as { clients: { id: string }[] }
    expect(clients.find(({ id }) => id === 'anna')).toEqual({
      id: 'anna',
      role: 'operator',
      publicKey: Buffer.from(next.publicKey).toString('hex'),
      identity: Buffer.from(anna.publicKey).toString('hex'),
    })
  })

  test('goes on in its sessions, exactly once', () => {
    const story = new AnnasStory()
    const request = requestOf([put('k', '1')], { session: story.session, sequence: 7, client: anna.publicKey })
    const [[first] = []] = story.apply(request)
    expect(codeOf(first)).toBe('ok')
    const order = requestOf([rotated], { session: story.session, sequence: 8, client: anna.publicKey })
    expect(codesOf(story.apply(order)[0])).toEqual(['ok'])
    story.restart()
    const again = requestOf([put('k', '1')], { session: story.session, sequence: 7, client: next.publicKey })
    const [[repeated] = []] = story.apply(again)
    expect(repeated?.index).toBe(first?.index)
    expect(story.by(next, get('k'))).toEqual(['ok'])
  })

  test('holds the duties that it had: one person does not become two', () => {
    const story = new AnnasStory()
    const duties = {
      type: 'SegregationOfDuties' as const,
      incompatibleRoles: ['creator' as const, 'completer' as const],
    }
    story.govern(apply('four-eyes', rule(duties)))
    expect(story.by(anna, create(caseId(1)), move('running', caseId(1)), rotated)).toEqual(['ok', 'ok', 'ok'])
    story.restart()
    expect(story.by(next, move('completed', caseId(1)))).toEqual(['PolicyViolation'])
    expect(story.finish(1)).toBe('ok')
  })

  test('is named in what it did before and after', () => {
    const story = new AnnasStory()
    expect(story.by(anna, create(caseId(1)), rotated)).toEqual(['ok', 'ok'])
    expect(story.by(next, move('running', caseId(1)))).toEqual(['ok'])
    const { events } = story.query('case.history', { caseId: caseId(1) }) as { events: { actor: string }[] }
    expect(events.map(({ actor }) => actor)).toEqual(['anna', 'anna'])
  })

  test('has used what it used of its quota, and its request ids', () => {
    const story = new AnnasStory()
    const once = (value: string): Operation => ({ type: 'Once', requestId: 'r', operation: put('k', value) })
    story.govern({ type: 'SetQuota', ...NO_QUOTAS, operationsPerMinuteMax: 2 })
    expect(story.by(anna, once('1'), put('k', '2'), rotated)).toEqual(['ok', 'ok', 'ok'])
    expect(story.by(next, put('k', '3'), once('1'), once('2'))).toEqual(['QuotaExceeded', 'ok', 'RequestIdReused'])
  })

  test('approves under its new key alone, and what it approved once is used', () => {
    const story = new AnnasStory('operator')
    story.govern(setClient('ben', ben.publicKey, 'operator'))
    const chain = (requiredSigners: number) => rule({ type: 'ApprovalChain', requiredSigners, roles: ['operator'] })
    story.govern(apply('sign', chain(1)))
    const end = story.nowMs + 60_000
    const write = put('k', 'v')
    const by = (signer: KeyPair) => approve(write, 'sign', end, signer)
    expect(story.code(approved(write, by(anna)))).toBe('ok')
    story.by(anna, rotated)
    const refusal = story.do(approved(write, approve(write, 'sign', end + 1, anna)))
    expect(codeOf(refusal)).toBe('InvalidApproval')
    expect(JSON.stringify(refusal.outcome)).toContain('the key of anna was rotated since')
    expect(story.code(approved(write, by(next)))).toBe('InvalidApproval')
    expect(story.code(approved(write, approve(write, 'sign', end + 1, next)))).toBe('ok')
    story.govern(apply('sign', chain(2)))
    const twice = [approve(write, 'sign', end + 2, next), approve(write, 'sign', end + 3, next)] as const
    expect(story.code(approved(write, ...twice))).toBe('InvalidApproval')
    expect(story.code(approved(write, twice[0], approve(write, 'sign', end + 2, ben)))).toBe('ok')
  })

  test('may do so again, and back to its first key: then its state is as if it never had', () => {
    const story = new AnnasStory()
    const plain = new AnnasStory()
    const clientsOf = (one: AnnasStory) => {
      one.machine.checkpoint()
      return one.state.range('', '\uffff').filter(({ value }) => Buffer.from(value).includes('anna'))
    }
    expect(story.by(anna, rotated)).toEqual(['ok'])
    expect(clientsOf(story)).not.toEqual(clientsOf(plain))
    expect(story.by(next, rotate('anna', next.publicKey, carl))).toEqual(['ok'])
    expect(story.by(carl, rotate('anna', carl.publicKey, anna))).toEqual(['ok'])
    expect(story.by(anna, put('k', 'v'))).toEqual(['ok'])
    expect(clientsOf(story)).toEqual(clientsOf(plain))
  })
})

describe('an admin', () => {
  test('rotates the key of another, without its proof: the client lost the old one', () => {
    const story = new AnnasStory()
    const order = { type: 'RotateClientKey' as const, clientId: 'anna', publicKey: next.publicKey, proof: null }
    expect(codeOf(story.asAdmin(order))).toBe('ok')
    expect(story.asAdmin(order).outcome).toMatchObject({ ok: true, payload: new Uint8Array([0]) })
    expect(story.by(next, put('k', 'v'))).toEqual(['ok'])
  })

  test('stays the last one under its new key', () => {
    const story = new AnnasStory('admin')
    story.by(anna, { type: 'RemoveClient', clientId: 'the-admin' })
    expect(story.by(anna, rotated)).toEqual(['ok'])
    expect(story.by(next, { type: 'RemoveClient', clientId: 'anna' })).toEqual(['Refused'])
  })
})

describe('what is refused', () => {
  const unproven = (proof: Uint8Array | null): Operation => ({
    type: 'RotateClientKey',
    clientId: 'anna',
    publicKey: next.publicKey,
    proof,
  })

  test('a key that has not signed for it, here and now', () => {
    const story = new AnnasStory()
    const elsewhere = rotate('anna', anna.publicKey, next, new Uint8Array(16).fill(9))
    const formerly = rotate('anna', carl.publicKey, next)
    const rows = [unproven(null), unproven(new Uint8Array(64)), elsewhere, formerly]
    for (const operation of rows) expect(story.by(anna, operation)).toEqual(['InvalidOperation'])
    expect(story.machine.roleOf(anna.publicKey)).toBe('writer')
  })

  test('the key of another, or one that another began with', () => {
    const story = new AnnasStory('admin')
    story.govern(setClient('ben', ben.publicKey, 'writer'))
    expect(story.by(anna, rotate('anna', anna.publicKey, ben))).toEqual(['ClientExists'])
    expect(story.by(anna, rotate('ben', ben.publicKey, carl))).toEqual(['ok'])
    expect(story.by(anna, rotate('anna', anna.publicKey, ben))).toEqual(['ClientExists'])
    expect(story.by(anna, setClient('eve', ben.publicKey, 'writer'))).toEqual(['ClientExists'])
    expect(story.by(anna, setClient('ben', carl.publicKey, 'operator'))).toEqual(['ok'])
    expect(story.machine.roleOf(carl.publicKey)).toBe('operator')
  })

  test('another client, by whoever is no admin, and one that is not there', () => {
    const story = new AnnasStory('operator')
    story.govern(setClient('ben', ben.publicKey, 'reader'))
    expect(story.by(anna, rotate('ben', ben.publicKey, carl))).toEqual(['NotPermitted'])
    expect(story.by(anna, rotate('nobody', ben.publicKey, carl))).toEqual(['NotPermitted'])
    expect(codeOf(story.asAdmin(rotate('nobody', ben.publicKey, carl)))).toBe('NotFound')
    const small = Uint8Array.from([1, ...new Array<number>(31).fill(0)])
    const weak = story.asAdmin({ type: 'RotateClientKey', clientId: 'ben', publicKey: small, proof: null })
    expect(detailsOf(weak)).toEqual({ field: 'publicKey' })
  })
})
