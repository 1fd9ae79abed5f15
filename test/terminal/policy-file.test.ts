/**
 * Shows that policies are read from files in all their forms, that what is wrong is named, that the
 * fixtures are accepted by the state machine, and that an operation survives the rounds of its signers.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeKeyFiles } from '../../src/crypto/key-files.js'
import { approvedOutput, approveFile } from '../../src/terminal/policies/approve.js'
import { policyFromFile } from '../../src/terminal/policies/policy-file.js'
import { operationFromJsonText } from '../../src/workflow/operation-json.js'
import type { Operation } from '../../src/workflow/operations.js'
import { projectRoot } from '../project/project-root.js'
import { apply, GovernedStory, rule, setClient, signers } from '../workflow/governance-harness.js'
import { bytes, CASE_ID, CLUSTER_ID, create, START_MS } from '../workflow/harness.js'

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'knhk-policies-'))
})
afterAll(() => rm(base, { recursive: true, force: true }))

async function read(text: string, id?: string): Promise<Operation> {
  const path = join(base, 'policy.yaml')
  await writeFile(path, text)
  return policyFromFile(path, id)
}

describe('policy files', () => {
  test('the forms mean the same', async () => {
    const wrapped = await read('policyId: p\npolicy: { type: Capacity, maxConcurrency: 4, maxParallelism: 2 }')
    expect(wrapped).toEqual({
      type: 'ApplyPolicy',
      policyId: 'p',
      policy: { type: 'Capacity', maxConcurrency: 4, maxParallelism: 2 },
    })
    expect(await read('{ "id": "p", "type": "Capacity", "maxConcurrency": 4, "maxParallelism": 2 }')).toEqual(wrapped)
    expect(await read('type: Capacity\nmaxConcurrency: 4\nmaxParallelism: 2', 'p')).toEqual(wrapped)
    expect(await read('type: ApplyPolicy\npolicyId: q\npolicy: { type: Bottom }', 'p')).toMatchObject({ policyId: 'p' })
  })

  test('a rule is known by its constraint, dates are UTC unless they say otherwise', async () => {
    const head =
      'id: r\nname: n\nsector: s\nsource: b\nenforcement: Advisory\nconstraint: { type: ResourceLimit, resource: cases, max: 1 }\n'
    const dates = 'effectiveDate: 2026-01-02\nexpires: 2026-01-02T03:04+02:00\n'
    const at = Date.UTC(2026, 0, 2)
    expect(await read(head + dates)).toMatchObject({
      policy: { type: 'Rule', effectiveDateMs: at, expiresMs: at + 64 * 60_000, operations: null, guard: false },
    })
    await expect(read(`${head}effectiveDate: soon`)).rejects.toMatchObject({
      code: 'InvalidArgument',
      details: { field: 'effectiveDate' },
    })
    await expect(read(`${head}effectiveDate: 2026-02-30T25:00`)).rejects.toMatchObject({ code: 'InvalidArgument' })
  })

  test.each([
    ['policy: { type: Bottom }', 'InvalidFile'],
    ['type: Bottom', 'InvalidFile'],
    ['type: DeployOverlay\npolicyId: p\npolicy: { type: Bottom }', 'InvalidFile'],
    ['policyId: p\npolicy: { type: Bottom }\nmore: 1', 'InvalidArgument'],
    ['policyId: a b\npolicy: { type: Bottom }', 'InvalidArgument'],
    ['policyId: p\npolicy: { type: Top }', 'InvalidArgument'],
    ['policyId: p\npolicy: { type: Capacity, maxConcurrency: 1.5, maxParallelism: 1 }', 'InvalidArgument'],
    ['policyId: p\npolicy: { type: Capacity, maxConcurrency: 0, maxParallelism: 1 }', 'InvalidArgument'],
    ['id: p\nconstraint: { type: ResourceLimit, resource: cases, max: 1 }', 'InvalidArgument'],
    ['policyId: p\npolicyId: q', 'InvalidFile'],
    ['[1]', 'InvalidFile'],
  ])('%j is refused', async (text, code) => {
    await expect(read(text)).rejects.toMatchObject({ code })
  })

  test('every fixture is accepted by the state machine', async () => {
    const directory = join(projectRoot, 'fixtures', 'policies')
    const files = await readdir(directory)
    expect(files.length).toBeGreaterThan(5)
    const story = new GovernedStory()
    for (const file of files) story.govern(await policyFromFile(join(directory, file), undefined))
    expect(story.machine.governance.policies.size).toBe(files.length)
    expect(story.query('policy.effective')).toMatchObject({ bottom: true, id: 'bottom' })
  })
})

describe('approvals', () => {
  const target = (name: string) => ({ configuration: { clusterId: CLUSTER_ID } as never, keyPath: join(base, name) })

  test('an operation goes from signer to signer and is proposed as the last printed it', async () => {
    const [anna, ben] = signers as [(typeof signers)[0], (typeof signers)[0]]
    await writeKeyFiles(join(base, 'anna'), anna)
    await writeKeyFiles(join(base, 'ben'), ben)
    const file = join(base, 'operation.json')
    await writeFile(
      file,
      `{ "type": "CreateCase",\n "caseId": "${CASE_ID}", "specId": "${CASE_ID}", "data": { "b": [1, "x y"], "a": null } }`,
    )
    const request = { file, policyId: 'two', expiresAtMs: START_MS + 1_000 }
    for (const name of ['anna', 'ben']) await approvedOutput(await approveFile(request, target(name)), file)
    const printed = await approvedOutput(await approveFile(request, target('anna')), undefined)
    const line = JSON.stringify(printed.value)
    expect(JSON.parse(line).approvals).toHaveLength(3)
    const { approvals } = JSON.parse(line) as { approvals: unknown[] }
    const twice = { ...JSON.parse(line), approvals: approvals.slice(0, 2) } as object

    const story = new GovernedStory()
    story.govern(
      setClient('anna', anna.publicKey, 'operator'),
      setClient('ben', ben.publicKey, 'admin'),
      apply('two', rule({ type: 'ApprovalChain', requiredSigners: 2, roles: ['operator', 'admin'] })),
    )
    expect(story.code(create(CASE_ID))).toBe('ApprovalRequired')
    expect(story.code(operationFromJsonText(bytes(line)))).toBe('InvalidApproval')
    // Pretty or not: what is signed does not depend on white space.
    expect(story.code(operationFromJsonText(bytes(JSON.stringify(twice, null, 2))))).toBe('ok')
    expect(story.query('case.get', { caseId: CASE_ID })).toMatchObject({ data: '{"b":[1,"x y"],"a":null}' })
  })

  test('an approved operation whose numbers would change on the way is refused', async () => {
    const approval = {
      policyId: 'p',
      signer: Buffer.alloc(32).toString('base64'),
      expiresAtMs: 1,
      signature: Buffer.alloc(64).toString('base64'),
    }
    const line = (data: string) =>
      bytes(
        `{"type":"Approved","operation":{"type":"CreateCase","caseId":"${CASE_ID}","specId":"${CASE_ID}","data":${data}},"approvals":[${JSON.stringify(approval)}]}`,
      )
    expect(operationFromJsonText(line('{"a":1}'))).toMatchObject({ type: 'Approved' })
    for (const data of ['{"a":1.0}', '{"a":12345678901234567890}', '{"a":"\\u0041"}', '{"b":1,"1":2}']) {
      expect(() => operationFromJsonText(line(data))).toThrow(/shortest form/)
    }
  })

  test('what governs cannot be approved', async () => {
    const file = join(base, 'governing.json')
    await writeFile(file, '{"type":"RetractPolicy","policyId":"p"}')
    const request = { file, policyId: 'two', expiresAtMs: 1 }
    await expect(approveFile(request, target('anna'))).rejects.toMatchObject({ code: 'InvalidArgument' })
  })
})
