import type { NeededField } from './template.ts'

/** A number that a platform counts its repositories or projects with. */
export const digits: NeededField = {
  what: 'a number, digits only',
  pattern: /^[1-9]\d{0,24}$/,
}

/** Matching is exact and platforms write UUIDs so. */
export const uuid: NeededField = {
  what: 'a UUID in lower case',
  pattern: /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
}

/** Bitbucket's spelling. */
export const bracedUuid: NeededField = {
  what: 'a UUID in braces, in lower case',
  pattern: /^\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}$/,
}

/** An id whose shape the platform does not document. */
export const opaqueId: NeededField = {
  what: 'an id: letters, digits, "-" and "_"',
  pattern: /^[A-Za-z0-9_-]{1,128}$/,
}

/** What stands in a URL's path or host for an organization. */
export const slug: NeededField = {
  what: 'a name as in URLs: letters, digits, ".", "_" and "-"',
  pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
}

/** A DNS label, which can't smuggle a dot into a host name. */
export const hostLabel: NeededField = {
  what: 'a name in lower case: letters, digits and "-"',
  pattern: /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
}

/** Only branches and tags: `refs/pull/…` is whoever opened the pull request. */
export const gitRef: NeededField = {
  what: 'a whole ref, such as refs/heads/main',
  pattern: /^refs\/(?:heads|tags)\/[^\s:?[\\^~]{1,230}$/,
}

/** Names that people choose: anything. */
export const anyText: NeededField = { what: 'text', pattern: /^.+$/su }

/** The rule's parser says what is wrong with one in particular. */
export const url: NeededField = { what: 'a URL', pattern: /^https?:\/\/\S+$/ }

/** An id that begins with what the platform marks its kind by. The pattern is written out: none is built from text. */
export function prefixedId(prefix: string, pattern: RegExp): NeededField {
  return { what: `an id that begins with "${prefix}"`, pattern }
}
