/** `knhk keys rotate`. */
import * as Flags from '@oclif/core/flags'
import { KnhkError } from '../../src/base/error.js'
import { ROTATED_SCHEMA, type RotatedReport } from '../../src/terminal/keys/rotated-schema.js'
import { CHANGE_SCHEMA } from '../../src/terminal/members/change-report.js'
import { CHANGE_EXIT_CODES, changeFlags, placeFlags, yesFlag } from '../../src/terminal/members/flags.js'
import { MemberCommand } from '../../src/terminal/members/member-command.js'
import * as schema from '../../src/terminal/schema.js'

interface RotateFlags {
  readonly client?: string | undefined
  readonly 'public-key'?: string | undefined
  readonly timeout: number
  readonly yes: boolean
  readonly 'dry-run': boolean
  readonly dir?: string | undefined
  readonly context?: string | undefined
  readonly cluster?: string | undefined
  readonly key?: string | undefined
  readonly endpoints?: string | undefined
}

export default class KeysRotate extends MemberCommand {
  static override summary = 'Replace the key of a client, or of a member, in an order of the log.'
  static override description =
    `Without --client and --node: the key that connects. A new one is made beside it, signs that it takes over, is
ordered by the old one, and takes the place of its files; the old key stays as KEY.old and opens nothing any more. The
client stays who it is: role, sessions, duties in cases, quotas and request ids. What it approved with the old key and is
not used yet has to be signed again.

With --client an admin gives another client a new key (--public-key), because the old one is lost or in wrong hands.

With --node a member is replaced by one with a new key and a new name, as \`cluster members replace\` does: what a member
promised stands on its disk under its name, so a key changes together with the name.

After an interruption the same command goes on where it ended.`
  static override examples = [
    '<%= config.bin %> keys rotate --dry-run',
    '<%= config.bin %> keys rotate --key ./keys/ben --cluster cluster.yaml --yes',
    '<%= config.bin %> keys rotate --client ben --public-key ./ben-2.pub --yes',
    '<%= config.bin %> keys rotate --node n2 --as n4 --yes',
  ]
  static override impact = 'dangerous' as const
  static override idempotent = false
  static override exitCodes = [1, ...CHANGE_EXIT_CODES]
  static override schema = schema.either(ROTATED_SCHEMA, CHANGE_SCHEMA)
  static override baseFlags = changeFlags
  static override flags = {
    client: Flags.string({
      summary:
        'The client whose key it is, where it is not the one that connects; needs --public-key and the role admin.',
      helpValue: 'ID',
      exclusive: ['node'],
    }),
    node: Flags.string({ summary: 'The member whose key it is.', helpValue: 'ID' }),
    as: Flags.string({
      summary: 'Name of the member with the new key; ID-2 if absent, after that ID-3 and so on.',
      helpValue: 'NEWID',
      dependsOn: ['node'],
    }),
    ...placeFlags,
    yes: yesFlag,
    'dry-run': Flags.boolean({ summary: 'Only show what would change.', default: false }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(KeysRotate)
    if (flags.node !== undefined) {
      const { replacement } = await import('../../src/terminal/members/replacement.js')
      await this.changeMembers(flags, await replacement(flags.node, flags.as, flags))
    } else if (flags.client !== undefined) await this.#rotateOther(flags.client, flags)
    else await this.#rotateOwn(flags)
  }

  async #rotateOwn(flags: RotateFlags): Promise<void> {
    if (flags['public-key'] !== undefined) {
      throw new KnhkError('Usage', 'whose key is --public-key?', {
        hint: 'Name a client with --client, or a member with --node; your own new key is made here.',
      })
    }
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    const [rotation, { resolveTarget }, { loadKeyPair }] = await Promise.all([
      import('../../src/terminal/keys/rotate-client.js'),
      import('../../src/cluster/target.js'),
      import('../../src/crypto/key-files.js'),
    ])
    const target = await resolveTarget(this.targetChoice(flags), process.env)
    const earlier = flags['dry-run'] ? null : await rotation.finishEarlier(target, call)
    const publicKey = earlier ?? (await loadKeyPair(target.keyPath)).publicKey
    const connection = await this.connect(flags)
    const row = await rotation.clientRow(connection.client, { publicKey }, call)
    const path = target.keyPath
    if (earlier !== null) await this.#print(rotation.rotatedReport({ row, path, publicKey, index: null }))
    else if (flags['dry-run']) await this.#print(rotation.rotationPlan(row, path, null))
    else {
      await this.#confirm(row.id, flags)
      await this.#print(await rotation.rotateOwn(connection, row, call))
    }
  }

  async #rotateOther(id: string, flags: RotateFlags): Promise<void> {
    if (flags['public-key'] === undefined) {
      throw new KnhkError('Usage', 'missing: --public-key', {
        hint: `The new key of ${id} is made where it is used: knhk keys gen. Here its public part is enough.`,
      })
    }
    const call = { timeoutMs: flags.timeout, signal: this.signal }
    const [rotation, { admissibleKey }, { submitOperation }] = await Promise.all([
      import('../../src/terminal/keys/rotate-client.js'),
      import('../../src/terminal/members/newcomer.js'),
      import('../../src/terminal/operation-report.js'),
    ])
    const publicKey = (await admissibleKey(flags['public-key'])) ?? new Uint8Array(0)
    const { client } = await this.connect(flags)
    const row = await rotation.clientRow(client, { id }, call)
    if (flags['dry-run']) {
      await this.#print(rotation.rotationPlan(row, null, publicKey))
      return
    }
    await this.#confirm(id, flags)
    const operation = { type: 'RotateClientKey' as const, clientId: id, publicKey, proof: null }
    const { index, result } = await submitOperation(client, operation, call)
    const report = rotation.rotatedReport({ row, path: null, publicKey, index })
    // It may have had this key already.
    await this.#print({ ...report, changed: result.rotated === true })
  }

  async #print(report: RotatedReport): Promise<void> {
    const { rotatedOutput } = await import('../../src/terminal/keys/rotate-client.js')
    await this.print(rotatedOutput(report))
  }

  async #confirm(id: string, { yes }: RotateFlags): Promise<void> {
    const { confirm } = await import('../../src/terminal/confirm.js')
    await confirm({
      message: `The key that ${id} has now will open nothing any more`,
      word: id,
      yes,
      interactive: process.stdin.isTTY === true && process.stderr.isTTY === true && this.session === null,
      signal: this.signal,
    })
  }
}
