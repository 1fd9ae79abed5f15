/** Names the engine that a simulation runs: a hash over the files of the rooms that decide what happens in it. */
import { hash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOMS = ['consensus', 'workflow', 'node', 'storage', 'simulator'] as const

/** 64 hexadecimal digits; the same for the same compiled files. */
export async function engineBuildId(): Promise<string> {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const lines: string[] = []
  for (const room of ROOMS) {
    for (const path of await sourceFiles(join(root, room))) {
      lines.push(`${relative(root, path).replaceAll('\\', '/')} ${hash('sha256', await readFile(path))}`)
    }
  }
  return hash('sha256', lines.sort().join('\n'))
}

async function sourceFiles(directory: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) found.push(...(await sourceFiles(path)))
    else if (/\.[jt]s$/.test(entry.name) && !entry.name.endsWith('.d.ts')) found.push(path)
  }
  return found
}
