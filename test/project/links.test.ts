/** Shows that every relative link of the README and of the docs leads to a file that is there, and to a heading in it. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { projectRoot } from './project-root.js'

interface Link {
  readonly page: string
  readonly target: string
}

/** Text of a page without its code: what looks like a link there is none. */
async function proseOf(page: string): Promise<string> {
  const text = await readFile(page, 'utf8')
  return text.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ''))
}

async function linksOf(page: string): Promise<Link[]> {
  const found = (await proseOf(page)).matchAll(/\[[^\]]*\]\(([^()\s]+)\)/g)
  return [...found].map(([, target]) => ({ page, target: target as string }))
}

/** As GitHub names headings: small letters, no punctuation, a hyphen for each blank. */
function anchorOf(heading: string): string {
  const words = heading.trim().toLowerCase()
  return words.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
}

async function anchorsIn(page: string): Promise<Set<string>> {
  const headings = (await readFile(page, 'utf8')).replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)
  return new Set(
    [...headings].map(([, heading]) => anchorOf((heading as string).replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1'))),
  )
}

async function problemOf({ page, target }: Link): Promise<string | null> {
  if (/^[a-z]+:/.test(target)) return null
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : resolve(dirname(page), path)
  const where = `${relative(projectRoot, page)}: ${target}`
  const found = await stat(file).catch(() => null)
  if (found === null) return `${where} is not there`
  if (anchor === undefined || found.isDirectory()) return null
  return (await anchorsIn(file)).has(anchor) ? null : `${where} has no such heading`
}

it('relative links lead somewhere', async () => {
  const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].map((name) => join(projectRoot, name))
  const directory = join(projectRoot, 'docs')
  const names = await readdir(directory, { recursive: true })
  const docs = names.filter((name) => name.endsWith('.md')).map((name) => join(directory, name))
  const links = (await Promise.all([...pages, ...docs].map(linksOf))).flat()
  expect(links.length).toBeGreaterThan(50)
  const problems = await Promise.all(links.map(problemOf))
  expect(problems.filter((problem) => problem !== null)).toEqual([])
})
