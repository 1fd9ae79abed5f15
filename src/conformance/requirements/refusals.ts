/** What must not happen does not: it is rejected in the log, alike on every member, or never gets there. */
import { deepStrictEqual, rejects } from 'node:assert/strict'
import { toUtf8 } from '../../base/bytes.js'
import type { Operation } from '../../workflow/operations.js'
import { expectAgreement } from '../looking.js'
import type { Requirement } from '../requirement.js'
import { applied, put, read, swap } from '../values.js'

const CASE_ID = '0b9f4a52-7d0e-4c3a-9a6f-1f2e3d4c5b6a'
const SPEC_ID = '00000000-0000-4000-8000-000000000001'
const STRANGER_MS = 1_500

const create: Operation = { type: 'CreateCase', caseId: CASE_ID, specId: SPEC_ID, data: toUtf8('{"a":1}') }
const complete: Operation = { type: 'UpdateCaseState', caseId: CASE_ID, newState: 'completed', error: null }
const brokenData: Operation = { ...create, caseId: '0b9f4a52-7d0e-4c3a-9a6f-1f2e3d4c5b6b', data: toUtf8('{"a":1') }

export const REFUSALS: readonly Requirement[] = [
  {
    name: 'operations that do not hold are rejected with their codes, and change nothing anywhere',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      await applied(session, create)
      const codes: string[] = []
      let index = 0
      for (const operation of [create, complete, brokenData, swap('absent', 'x', 'y')]) {
        const [settled] = await session.submit([operation])
        index = settled?.index ?? index
        codes.push(settled === undefined || settled.outcome.ok ? 'ok' : settled.outcome.code)
      }
      deepStrictEqual(codes, ['CaseExists', 'InvalidStateTransition', 'InvalidOperation', 'CompareMismatch'])
      deepStrictEqual(await read(client, 'absent'), null)
      await expectAgreement(cluster, client, index)
      await client.close()
    },
  },
  {
    name: 'a session that is closed takes nothing more',
    async check(cluster) {
      const client = cluster.client()
      const session = await client.openSession()
      await applied(session, put('k', '1'))
      await session.close()
      const [late] = await session.submit([put('k', '2')])
      deepStrictEqual(late?.outcome.ok === false && late.outcome.code, 'SessionExpired')
      deepStrictEqual(await read(client, 'k'), '1')
      await client.close()
    },
  },
  {
    name: 'a key that the cluster does not know changes nothing',
    async check(cluster) {
      const stranger = cluster.stranger()
      await rejects(stranger.submitOnce(put('k', 'mine'), { timeoutMs: STRANGER_MS }))
      await stranger.close()
      const client = cluster.client()
      deepStrictEqual(await read(client, 'k'), null)
      await client.close()
    },
  },
]
