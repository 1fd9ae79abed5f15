/** Shows that the leader of a Byzantine cluster is whom f + 1 members name, newest first, whatever one of them says. */
import { expect, test } from 'vitest'
import { LeaderNotices } from '../../src/client/leader-notices.js'

function notices(): LeaderNotices {
  return new LeaderNotices(
    () => 2,
    (id) => id !== 'left',
  )
}

test('one member names nobody, two that agree do', () => {
  const book = notices()
  expect(book.note('n1', { term: 1, leader: 'n1' })).toBeNull()
  expect(book.note('n2', { term: 1, leader: 'n1' })).toEqual({ term: 1, leader: 'n1' })
})

test('a term that one member invents counts for nothing', () => {
  const book = notices()
  for (const id of ['n2', 'n3', 'n4']) book.note(id, { term: 1, leader: 'n2' })
  expect(book.note('n1', { term: 2 ** 50, leader: 'n2' })).toEqual({ term: 1, leader: 'n2' })
  expect(book.note('n1', { term: 2 ** 50, leader: 'n1' })).toEqual({ term: 1, leader: 'n2' })
})

test('the next leader counts once enough know it, also that there is none', () => {
  const book = notices()
  for (const id of ['n1', 'n2', 'n3', 'n4']) book.note(id, { term: 1, leader: 'n2' })
  expect(book.note('n1', { term: 2, leader: 'n3' })).toEqual({ term: 1, leader: 'n2' })
  expect(book.note('n4', { term: 2, leader: 'n3' })).toEqual({ term: 2, leader: 'n3' })
  book.note('n1', { term: 3, leader: null })
  expect(book.note('n2', { term: 3, leader: null })).toEqual({ term: 3, leader: null })
})

test('who is no member has no say', () => {
  const book = notices()
  book.note('left', { term: 1, leader: 'n1' })
  expect(book.note('n1', { term: 1, leader: 'n1' })).toBeNull()
})
