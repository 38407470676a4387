import type { SeenDifference, SeenPlace, TrustPreview } from '../broker-client/trust-answers.ts'
import { cell, instant } from '../output/text.ts'

/** Sentences of the broker, one a line. */
export function sentences(words: readonly string[]): readonly string[] {
  return words.map((sentence) => `  ${cell(sentence)}`)
}

/** What a change would do to the identities that were seen. */
export function previewText(preview: TrustPreview, intro: string): string {
  const { rule, words, seen, counts } = preview
  const nothing = counts.gains + counts.loses + counts.changes === 0
  return [
    'Dry run: nothing was changed.',
    `${intro} ${cell(rule.project?.name)} in ${cell(rule.environment)}:`,
    ...sentences(words ?? []),
    `${seen.identities} ${seen.identities === 1 ? 'identity' : 'different identities'} seen since ${instant(seen.since)}.`,
    ...(nothing ? ['None of them gains or loses access.'] : []),
    ...part('gains access', counts.gains, preview.gains, ({ after }) => `becomes ${placeText(after)}`),
    ...part('loses access', counts.loses, preview.loses, (one) => `was ${placeText(one.before)}${why(one)}`),
    ...part(
      'changes',
      counts.changes,
      preview.changes,
      (one) => `was ${placeText(one.before)}, becomes ${placeText(one.after)}`,
    ),
  ].join('\n')
}

function part(
  verb: string,
  total: number,
  listed: readonly SeenDifference[],
  tell: (one: SeenDifference) => string,
): readonly string[] {
  if (total === 0) return []
  const more = total - listed.length
  return [
    `${total} ${total === 1 ? verb : verb.replace(/^(gain|lose|change)s/, '$1')}:`,
    ...listed.map((one) => `  ${cell(one.subject)} of ${cell(one.issuer)}: ${tell(one)}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ]
}

function placeText(place: SeenPlace | null | undefined): string {
  return place === null || place === undefined
    ? 'nobody'
    : `${cell(place.project.name)} in ${cell(place.environment)}`
}

function why({ reason }: SeenDifference): string {
  return reason === 'identity_ambiguous'
    ? '; several places would match it, so it is refused'
    : '; no rule would match it'
}
