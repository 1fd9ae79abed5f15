/**
 * Shows that the conformance suite finds what it is there for: clusters that read old values, run retries
 * twice, let strangers in or hold a log that does not verify fall short of the requirement that says so.
 */
import { AssertionError } from 'node:assert'
import { expect, test } from 'vitest'
import type { Client, Session } from '../../src/client/index.js'
import { type ClusterUnderTest, CONFORMANCE, conform, simulatedCluster } from '../../src/conformance/index.js'

/** The cluster with some of its hands replaced. */
async function checkSpoilt(name: string, spoil: (cluster: ClusterUnderTest) => Partial<ClusterUnderTest>) {
  const requirement = CONFORMANCE.find((one) => one.name === name)
  if (requirement === undefined) throw new Error(`there is no requirement: ${name}`)
  const spoilt = async (needs: Parameters<typeof simulatedCluster>[1]): Promise<ClusterUnderTest> => {
    const cluster = await simulatedCluster({ protocol: 'raft', nodes: 3 }, needs)
    const changes = spoil(cluster)
    return new Proxy(cluster, {
      get: (target, key) => {
        if (Object.hasOwn(changes, key)) return changes[key as keyof ClusterUnderTest]
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
  await expect(conform(requirement, spoilt)).rejects.toBeInstanceOf(AssertionError)
}

const withClient = (cluster: ClusterUnderTest, change: (client: Client) => Partial<Client>) => ({
  client: () => {
    const client = cluster.client()
    const close = () => client.close()
    const openSession: Client['openSession'] = (options) => client.openSession(options)
    const query: Client['query'] = (...args) => client.query(...args)
    return { ...client, openSession, query, close, ...change(client) } as Client
  },
})

test('old values are found', () =>
  checkSpoilt('a read sees every earlier write of any client, at every member', (cluster) => {
    const first = new Map<string, ReturnType<Client['query']>>()
    return withClient(cluster, (client) => ({
      query: (name, args, options) => {
        const key = `${name} ${JSON.stringify(args)}`
        const answer = first.get(key) ?? client.query(name, args, options)
        first.set(key, answer)
        return answer
      },
    }))
  }))

test('a retry in another session, which runs twice, is found', () =>
  checkSpoilt('an operation whose answers are lost is applied exactly once', (cluster) =>
    withClient(cluster, (client) => ({
      openSession: async (options) => {
        const [before, session] = [await client.openSession(options), await client.openSession(options)]
        const submit: Session['submit'] = async (operations) => {
          await before.submit(operations)
          return session.submit(operations)
        }
        return { id: session.id, ordered: session.ordered, submit, close: () => session.close() }
      },
    })),
  ))

test('a stranger that is let in is found', () =>
  checkSpoilt('a key that the cluster does not know changes nothing', (cluster) => ({
    stranger: () => cluster.client(),
  })))

test('a log that does not verify is found', () =>
  checkSpoilt('what clients submit at once is ordered once, and equally on every member', (cluster) => ({
    verifyLog: async (member) => ({ ...(await cluster.verifyLog(member)), ok: false }),
  })))

test('a member that stopped by itself is found', () =>
  checkSpoilt('a session that is closed takes nothing more', () => ({ faults: () => [new Error('disk')] })))
