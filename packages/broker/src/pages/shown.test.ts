import { describe, expect, it } from 'vitest'
import { shown } from './shown.ts'

describe('text that somebody else chose', () => {
  it.each([
    ['support-agent', 'support-agent'],
    ['שלום עולם', 'שלום עולם'],
    ['می\u200Cخواهم', 'می\u200Cخواهم'],
    ['👩\u200D💻', '👩\u200D💻'],
    ['a\r\n\tb', 'a b'],
    ['a\u202Eb', 'a[U+202E]b'],
    ['a\u2067b\u200Fc\u061Cd', 'a[U+2067]b[U+200F]c[U+061C]d'],
    ['a\u200Bb\uFEFFc\u00ADd', 'a[U+200B]b[U+FEFF]c[U+00AD]d'],
    ['a\u{E0041}b', 'a[U+E0041]b'],
    ['a\u0000b\u001Bc\u0085d', 'a[U+0000]b[U+001B]c[U+0085]d'],
    ['a\u2028b', 'a[U+2028]b'],
    ['a\uD800b', 'a\uFFFDb'],
    [`a${'\u0301'.repeat(4)}b`, `a${'\u0301'.repeat(4)}b`],
    [`a${'\u0301'.repeat(40)}b`, `a${'\u0301'.repeat(4)}[…]b`],
  ])('%j is shown as %j', (text, seen) => {
    expect(shown(text)).toBe(seen)
  })
})
