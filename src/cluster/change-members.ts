/**
 * Keeps a cluster file in step with its cluster: who joined, who left, who moved. Only these lines are
 * touched; comments, order and everything else stay as they were written. What decides who is a member
 * is the log; the file is where nodes and clients begin to look. Callers that share a file take turns
 * (`withLock`): two changes at the same time would lose one.
 */
import { type Document, isMap, isSeq, parseDocument, type YAMLMap } from 'yaml'
import { assert } from '../base/assert.js'
import { KnhkError } from '../base/error.js'
import type { ClusterConfiguration, MemberConfiguration } from '../consensus/configuration.js'
import { formatPublicKey } from '../crypto/key-encoding.js'
import { memberLine, parseClusterFile } from './cluster-file.js'
import { readTextIfThere, writeFileAtomically } from './files.js'

/**
 * Lists a member that joined. One that is listed with this id and key already, even as removed, gets
 * the given address and zone. Throws `NotFound`, `InvalidFile`, or `InvalidClusterFile` where the file
 * would not be valid with it: the id or address of another member, or too many members.
 */
export async function addMemberToClusterFile(path: string, member: MemberConfiguration): Promise<ClusterConfiguration> {
  return changeMembers(path, (lines, document) => {
    const publicKey = formatPublicKey(member.publicKey)
    const known = lines.find((line) => line.get('id') === member.id && line.get('publicKey') === publicKey)
    if (known === undefined)
      return [...lines, document.createNode(memberLine({ member, joined: true, removed: false }))]
    known.set('address', member.address)
    known.set('zone', member.zone)
    if (member.http !== undefined) known.set('http', member.http)
    known.delete('removed')
    return lines
  })
}

/** Throws `NotFound` for a member that is not there (any more). */
export async function markMemberRemoved(path: string, id: string): Promise<ClusterConfiguration> {
  return changeMembers(path, (lines) => {
    currentMember(path, lines, id).set('removed', true)
    return lines
  })
}

/** `address` is host:port. Throws `NotFound` for a member that is not there (any more). */
export async function setMemberAddress(path: string, id: string, address: string): Promise<ClusterConfiguration> {
  return changeMembers(path, (lines) => {
    currentMember(path, lines, id).set('address', address)
    return lines
  })
}

/** Ids in lines of members that left; their names may not be given to somebody else. */
export async function idsOfRemoved(path: string): Promise<string[]> {
  const members = parseDocument((await readTextIfThere(path)) ?? '').get('members')
  const lines = isSeq(members) ? members.items.filter(isMap) : []
  return lines.filter((line) => line.get('removed') === true).map((line) => String(line.get('id')))
}

async function changeMembers(
  path: string,
  change: (lines: readonly YAMLMap[], document: Document) => readonly YAMLMap[],
): Promise<ClusterConfiguration> {
  const text = await readTextIfThere(path)
  if (text === null) throw new KnhkError('NotFound', `there is no cluster file ${path}`, { details: { path } })
  // A file that is not valid is not made worse.
  parseClusterFile(text, path)
  const document = parseDocument(text)
  const members = document.get('members')
  assert(isSeq(members), 'the members of a valid cluster file are a list')
  const lines = members.items
  assert(lines.every(isMap), 'a member in a valid cluster file is a mapping')
  members.items = [...change(lines, document)]
  const changed = document.toString({ lineWidth: 0 })
  const configuration = parseClusterFile(changed, path)
  if (changed !== text) await writeFileAtomically(path, changed)
  return configuration
}

function currentMember(path: string, lines: readonly YAMLMap[], id: string): YAMLMap {
  const found = lines.find((line) => line.get('id') === id && line.get('removed') !== true)
  if (found !== undefined) return found
  throw new KnhkError('NotFound', `the cluster file has no member ${JSON.stringify(id)}`, {
    details: { path, node: id },
  })
}
